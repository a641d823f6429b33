# Fuzzing: a target a parser, fuzz/NAME.c. `make fuzz` runs each as a program of clang's libFuzzer, `make check` feeds all of them what
# fuzz/corpus holds, with tests/test_corpora.c.

FUZZ_TARGETS := $(patsubst fuzz/%.c,%,$(filter-out fuzz/fuzz.c,$(wildcard fuzz/*.c)))
list_fuzz := $(call plain,$(FUZZ_TARGETS))
# Files lie in memory: see fuzz/fuzz.h.
FUZZ_WRAP := -Wl,--wrap=file_read,--wrap=file_write,--wrap=file_exists
FUZZ_FLAGS = $(filter-out -fvisibility=hidden,$(CFLAGS_ALL)) -I.

# ---- For make check: all targets in one program ----
FUZZ_OBJECTS := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%.o) $(BUILD)/fuzz/fuzz.o

$(BUILD)/fuzz/%.o: fuzz/%.c $(LISTS) | libs
	@mkdir -p $(@D)
	$(if $(V),,@echo "  $(CC) $<")
	$(Q)$(CC) $(FUZZ_FLAGS) -DLLVMFuzzerTestOneInput=fuzz_$* -c -o $@ $<

$(BUILD)/tests/test_corpora: tests/test_corpora.c $(FUZZ_OBJECTS) $(BUILD)/libweft.a $(BUILD)/gen/fuzz.inc
	@mkdir -p $(@D)
	$(if $(V),,@echo "  $(CC) $<")
	$(Q)$(CC) $(FUZZ_FLAGS) $(if $(CROSS),-DEMULATED) -Itests $(LDFLAGS_ALL) $(FUZZ_WRAP) -o $@ $< $(FUZZ_OBJECTS) $(BUILD)/libweft.a -lcmocka $(LDLIBS_ALL)

-include $(FUZZ_OBJECTS:.o=.d)

# ---- For make fuzz ----
SECONDS ?= 60

fuzz:
	$(Q)scripts/deps build clang
	$(Q)$(MAKE) --no-print-directory CC=clang BUILD=build/fuzz/clang SAN=address,undefined CFLAGS=-O2 FUZZER=yes fuzzers
	fuzz/run --seconds $(SECONDS) $(if $(EXECUTIONS),--executions $(EXECUTIONS)) $(if $(ONLY),--only $(ONLY))

fuzzers: $(FUZZ_TARGETS:%=$(BUILD)/bin/%)

ifdef FUZZER
# What a fuzzer is to find its way through; the rest would only slow it down.
FUZZ_GUIDES := $(filter $(foreach room,base tensor data record graph schedule train lab,src/$(room)/%),$(LIB_SOURCES))
# What reads a user's bytes: no number may change its value on the way from one type to another there, or wrap around.
PARSERS := $(foreach name,base/base64 base/field base/setting base/slug base/spec base/text data/gzip data/idx data/image data/image_jpeg data/image_png \
	data/npy lab/experiment lab/merge lab/points lab/sections lab/space lab/yaml record/evaluation record/findings record/json record/probes record/record \
	tensor/safetensors tensor/tensor train/model_file,src/$(name).c)
$(FUZZ_GUIDES:src/%.c=$(BUILD)/obj/%.o): SANITIZE += -fsanitize=fuzzer-no-link
$(PARSERS:src/%.c=$(BUILD)/obj/%.o): SANITIZE += -fsanitize=integer,implicit-conversion
endif

$(BUILD)/bin/%: fuzz/%.c fuzz/fuzz.c fuzz/fuzz.h $(BUILD)/libweft.a
	@mkdir -p $(@D)
	$(if $(V),,@echo "  $(CC) $<")
	$(Q)$(CC) $(FUZZ_FLAGS) -fsanitize=fuzzer $(LDFLAGS_ALL) $(FUZZ_WRAP) -o $@ $< fuzz/fuzz.c $(BUILD)/libweft.a $(LDLIBS_ALL)

.PHONY: fuzz fuzzers
