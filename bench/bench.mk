# What `make bench` measures with: weft through its public header, and peers on other libraries, each where its library is here.

# The peers get what makes them fast; they promise nobody the same bits, and weft holds nothing of them.
PEER_CFLAGS := -std=gnu17 -O3 -march=native -mprefer-vector-width=512 -ffast-math -fopenmp -D_GNU_SOURCE $(WARNINGS)

BENCHES := $(BUILD)/bench/weft_pass $(BUILD)/bench/weft_grid
PEERS := $(BUILD)/bench/xsmm_pass $(BUILD)/bench/dnnl_pass
have_header = $(shell printf '\043include <$(1)>\n' | $(CC) -E -x c - >/dev/null 2>&1 && echo yes)

ifneq ($(and $(filter benches,$(MAKECMDGOALS)),$(filter x86_64,$(or $(ARCH),$(shell uname -m)))),)
BENCHES += $(if $(call have_header,libxsmm.h),$(BUILD)/bench/xsmm_pass) $(if $(call have_header,dnnl.h),$(BUILD)/bench/dnnl_pass)
endif

bench: bench-deps
	$(Q)$(MAKE) --no-print-directory all benches
	bench/run $(BUILD) $(if $(ONLY),--only $(ONLY))

benches: $(BENCHES)

$(BUILD)/bench/xsmm_pass: PEER_LIBS := -lxsmm -lxsmmnoblas
$(BUILD)/bench/dnnl_pass: PEER_LIBS := -ldnnl
$(PEERS): $(BUILD)/bench/%: bench/%.c bench/peer.c bench/peer.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  $(CC) $<")
	$(Q)$(CC) $(PEER_CFLAGS) -o $@ $< bench/peer.c $(PEER_LIBS) -lz -lpthread -ldl -lm

$(BUILD)/bench/%: bench/%.c $(BUILD)/libweft.a include/weft.h
	$(call build_with_public_header)

.PHONY: bench benches
