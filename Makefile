# weft's front door: make, make demo, make check. `make help` lists the rest.

PREFIX ?= /usr/local
CC ?= cc
PKG_CONFIG ?= pkg-config
BUILD ?= build$(if $(CROSS),/$(ARCH))$(if $(DOUBLE),/double)$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))$(if $(DEBUG),/debug)
comma := ,
Q := $(if $(V),,@)

VERSION := $(shell sed -n 's/^\#define WEFT_VERSION "\(.*\)"/\1/p' include/weft.h)
# REAL=double: networks of double precision, for tests that float would blur.
REAL ?= float
DOUBLE := $(filter double,$(REAL))
$(if $(filter-out float double,$(REAL)),$(error REAL is float or double, not $(REAL)))
LIBS := yaml-0.1 jansson libdeflate zlib libpng libturbojpeg cairo fontconfig sleef libmd libxxhash

# ---- For another architecture: ARCH=aarch64 builds with Debian's cross compiler, on libraries that scripts/deps unpacks below build/ ----
ARCH ?= $(shell uname -m)
CROSS := $(filter-out $(shell uname -m),$(ARCH))
ifneq ($(CROSS),)
SYSROOT := build/sysroot-$(ARCH)
CC := $(ARCH)-linux-gnu-gcc
AR := $(ARCH)-linux-gnu-ar
CROSS_FLAGS := --sysroot=$(CURDIR)/$(SYSROOT)
PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(CURDIR)/$(SYSROOT) \
	PKG_CONFIG_LIBDIR=$(CURDIR)/$(SYSROOT)/usr/lib/$(ARCH)-linux-gnu/pkgconfig:$(CURDIR)/$(SYSROOT)/usr/share/pkgconfig pkg-config
endif

# What `make check` tests, too: an architecture's arithmetic, emulated, and the build in double; ALSO= leaves that out.
ALSO := $(if $(filter x86_64,$(ARCH)),$(if $(SAN)$(DEBUG)$(DOUBLE),,aarch64 double))

# ---- Flags ----
# Every build rounds the same way: a product and a sum become one operation only where the source says so, and no sum changes its order.
NUMERICS := -fno-math-errno -fno-trapping-math -ffp-contract=off
WARNINGS := -Wall -Wextra $(if $(findstring clang,$(CC)),,-Wshadow=local) -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
OPTIMISE := $(if $(DEBUG),-O1 -g3 -DWEFT_DEBUG,$(if $(SAN),-O1 -g -DWEFT_DEBUG,-O3 -g))
SANITIZE := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
# Of what reads a user's files and words; kernels see numbers alone. Sanitizers look closer.
HARDEN := $(if $(SAN),,-fstack-protector-strong -D_FORTIFY_SOURCE=2)
CFLAGS_ALL = -std=gnu17 $(CROSS_FLAGS) $(OPTIMISE) $(NUMERICS) $(WARNINGS) $(SANITIZE) -D_GNU_SOURCE -DWEFT_BUILDING $(DOUBLE:%=-DWEFT_DOUBLE) -fPIC -fvisibility=hidden \
	-ffile-prefix-map=$(CURDIR)=. -MMD -MP -Iinclude -Isrc -I$(BUILD) $(LIB_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(CROSS_FLAGS) $(SANITIZE) -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
LDLIBS_ALL = $(LIB_LIBS) -lm -lpthread

# The instruction sets of each architecture, the best last, and their flags. A new one also has its line in src/kernel/isa.c, and its
# vectors in src/kernel/vector.h.
ISAS_x86_64 := v2 v3 v4
ISAS_aarch64 := neon
v2 := -march=x86-64-v2
v3 := -march=x86-64-v3
v4 := -march=x86-64-v4 -mprefer-vector-width=512
neon := -march=armv8-a
# Units that multiply bf16 numbers, the fastest first: see src/kernel/precision.c.
UNITS_x86_64 := amx avx512
amx := $(v4) -mavx512bf16 -mamx-tile -mamx-bf16
avx512 := $(v4) -mavx512bf16
UNITS := $(if $(DOUBLE),,$(UNITS_$(ARCH)))
ISAS := $(or $(if $(DOUBLE),f64,$(ISAS_$(ARCH))),$(error weft has no kernels for $(ARCH)))
f64 := $(if $(filter x86_64,$(ARCH)),$(v3),$(neon))

NEEDS_LIBS := $(filter-out deps clean help install-deps check-deps bench-deps,$(or $(MAKECMDGOALS),all))
ifneq ($(NEEDS_LIBS),)
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBS) 2>/dev/null)
LIB_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null)
endif

# ---- What is built ----
# Rooms whose sources are compiled once for each instruction set; the file that is named like its room is not.
ISA_SOURCES := src/kernel/kernel.c src/measure/probe.c $(filter-out src/op/op.c,$(sort $(wildcard src/op/*.c))) $(filter-out src/optim/optim.c,$(sort $(wildcard src/optim/*.c)))
CLI_SOURCES := $(sort $(wildcard src/cli/*.c))
UNIT_SOURCES := src/kernel/bf16.c
LIB_SOURCES := $(filter-out $(ISA_SOURCES) $(UNIT_SOURCES) $(CLI_SOURCES),$(sort $(wildcard src/*/*.c)))

LIB_OBJECTS := $(LIB_SOURCES:src/%.c=$(BUILD)/obj/%.o) $(foreach isa,$(ISAS),$(ISA_SOURCES:src/%.c=$(BUILD)/obj/%.$(isa).o)) \
	$(foreach unit,$(UNITS),$(UNIT_SOURCES:src/%.c=$(BUILD)/obj/%.$(unit).o))
CLI_OBJECTS := $(CLI_SOURCES:src/%.c=$(BUILD)/obj/%.o)

# Lists of what registers itself by being there: X(NAME), or, of what is compiled for each instruction set, LIST(ISA, X(ISA, NAME), ...).
names = $(sort $(patsubst src/$(1)/$(2)%.c,%,$(filter-out src/$(1)/$(1).c,$(wildcard src/$(1)/$(2)*.c))))
plain = $(foreach name,$(1),'X($(name))')
for_isas = $(foreach isa,$(ISAS),'LIST($(isa)$(foreach name,$(1),, X($(isa),$(name))))')
LISTS := $(foreach list,isa unit op optim schedule format image listener diagnosis command,$(BUILD)/gen/$(list).inc)
list_isa := $(call plain,$(ISAS))
list_unit := $(call plain,$(UNITS))
list_op := $(call for_isas,$(call names,op,))
list_optim := $(call for_isas,$(call names,optim,))
list_schedule := $(call plain,$(call names,schedule,))
list_format := $(call plain,$(call names,data,format_))
list_image := $(call plain,$(call names,data,image_))
list_listener := $(call plain,$(call names,train,listen_))
list_diagnosis := $(call plain,$(call names,diagnose,))
list_command := $(call plain,$(call names,cli,cmd_))

# What the report brings along, as the bytes of C arrays: its own files and dygraphs', without the lines that would have a browser look for maps.
DYGRAPHS := /usr/share/javascript/dygraphs
ASSETS := page_css page_js dygraphs_css dygraphs_js license
asset_page_css := src/report/page.css
asset_page_js := src/report/page.js
asset_dygraphs_css := $(DYGRAPHS)/dygraph.min.css
asset_dygraphs_js := $(DYGRAPHS)/dygraph.min.js
asset_license := src/report/dygraphs.license
# And what `weft verify` holds bits against.
asset_published := src/verify/published.txt

all: $(BUILD)/weft $(BUILD)/libweft.a $(BUILD)/libweft.so

$(BUILD)/weft: $(CLI_OBJECTS) $(BUILD)/libweft.a
	$(Q)$(CC) -pie $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/libweft.a: $(LIB_OBJECTS)
	$(Q)rm -f $@ && $(AR) rcsD $@ $^

$(BUILD)/libweft.so: $(LIB_OBJECTS)
	$(Q)$(CC) -shared -Wl,-soname,libweft.so.0 $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

define compile
@mkdir -p $(@D)
$(if $(V),,@echo "  $(CC) $<")
$(Q)$(CC) $(CFLAGS_ALL) $(1) -c -o $@ $<
endef

$(BUILD)/obj/%.o: src/%.c $(LISTS) | libs
	$(call compile,$(HARDEN))

define isa_rule
$(BUILD)/obj/%.$(1).o: src/%.c $(LISTS) | libs
	$$(call compile,$$($(1)) -DWEFT_ISA_NAME=$(1))
endef
$(foreach isa,$(ISAS) $(UNITS),$(eval $(call isa_rule,$(isa))))

# A list is written only when it changed, so that adding a file rebuilds what includes the list and nothing else.
$(LISTS) $(BUILD)/gen/fuzz.inc: $(BUILD)/gen/%.inc: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(list_$*) > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

define asset_rule
$(BUILD)/gen/$(1).inc: $(wildcard $(asset_$(1))) | libs
	@mkdir -p $$(@D)
	@grep -v 'sourceMappingURL=' $(asset_$(1)) | od -An -v -tu1 | sed 's/[0-9]\{1,\}/&,/g' > $$@
endef
$(foreach asset,$(ASSETS) published,$(eval $(call asset_rule,$(asset))))
$(BUILD)/obj/report/assets.o: $(ASSETS:%=$(BUILD)/gen/%.inc)
$(BUILD)/obj/verify/bits.o: $(BUILD)/gen/published.inc

-include $(LIB_OBJECTS:.o=.d) $(CLI_OBJECTS:.o=.d)

# ---- Dependencies ----
libs:
	@$(PKG_CONFIG) --exists --print-errors $(LIBS) && test -e $(asset_dygraphs_js) || { echo "weft: libraries are missing; run: make deps"; exit 1; }

deps:
	@scripts/deps build $(CROSS)
check-deps:
	@scripts/deps build check $(CROSS) $(filter-out double,$(ALSO))
bench-deps: deps
	@scripts/deps bench || echo "bench: what is missing is left out"

# ---- What people run ----
demo: deps
	$(Q)$(MAKE) --no-print-directory all
	$(BUILD)/weft compare recipes/tutorial.yaml -o runs/tutorial --force $(if $(SEEDS),--set "seeds=[$(shell seq -s, $(SEEDS))]")

check: check-deps
	$(Q)$(MAKE) --no-print-directory run-tests

# The page that says what every name means, from the same tables that read them.
reference: all
	$(BUILD)/weft reference > docs/reference.md

# What `weft verify` holds bits against, anew: where bits are meant to change, or exercises came or went. Needs a CPU with FMA, and one of x86-64,
# which has both kinds of arithmetic.
published: all
	$(BUILD)/weft verify --print > $(BUILD)/published.txt && mv $(BUILD)/published.txt src/verify/published.txt
	$(Q)$(MAKE) --no-print-directory all

# The page that tells the tutorial: its commands run again, with what they print and draw.
tutorial: all
	scripts/tutorial $(BUILD)

# What takes too long for every day: tests/long.
check-long: check-deps
	$(Q)scripts/deps long
	$(Q)$(MAKE) --no-print-directory all $(BUILD)/tests/test_maps
	$(Q)for test in tests/long/test_*.py; do $$test || failed=yes; done; [ -z "$$failed" ]

# What tools see that read the code, and do not run it.
analyse: deps
	$(Q)scripts/deps analyse
	$(Q)$(MAKE) --no-print-directory $(LISTS) $(ASSETS:%=$(BUILD)/gen/%.inc)
	$(Q)scripts/analyse '$(filter-out -MMD -MP -O3,$(CFLAGS_ALL))' '$(v3)' '$(amx)'

# Kills weft KILLS times; SEED=N repeats what happened.
torture: check-deps
	$(Q)$(MAKE) --no-print-directory all $(SHIM)
	$(Q)tests/command/kills.py $(or $(KILLS),1000) $(SEED)
	$(Q)tests/faults/torture

# Other compilers, other levels of optimisation, other architectures, other folders. ONLY=clang-O3: those with such a word in their name.
matrix: check-deps
	$(Q)scripts/deps clang
	$(Q)tests/matrix $(ONLY)

mutants: check-deps
	$(Q)tests/mutants/run
# The small mistakes that a program makes, drawn by a seed.
mutants-auto: check-deps
	$(Q)tests/mutants/auto --sample $(or $(SAMPLE),400) --seed $(or $(SEED),1) $(if $(ONLY),--only $(ONLY))

# ---- Tests: unit tests are C programs, the rest are Python programs that run the command; all print TAP ----
# Those of a build in double: what must be near something else can be nearer there. The first asks for more than floats have.
DOUBLE_TESTS := test_gradients test_lbfgs test_op test_optim test_plan_numbers
FLOAT_TESTS := $(filter-out $(firstword $(DOUBLE_TESTS)),$(patsubst tests/%.c,%,$(wildcard tests/test_*.c)))
TESTS := $(addprefix $(BUILD)/tests/,$(if $(DOUBLE),$(DOUBLE_TESTS),$(FLOAT_TESTS)))
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))

# What makes calls of the command fail, for tests/faults: it knows the registers of x86-64, and sanitizers have an allocator of their own.
SHIM := $(if $(SAN)$(DOUBLE)$(filter-out x86_64,$(ARCH)),,$(BUILD)/tests/faults/shim.so)
$(BUILD)/tests/faults/shim.so: tests/faults/shim.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -g $(WARNINGS) -D_GNU_SOURCE -shared -fPIC -o $@ $< -ldl -lpthread

run-tests: all $(TESTS) $(EXAMPLES) $(SHIM) $(ALSO:%=also-%)
	$(Q)BUILD=$(BUILD) SAN=$(SAN) ARCH=$(ARCH) REAL=$(REAL) ALSO="$(ALSO)" TESTS="$(notdir $(TESTS))" DOUBLE_TESTS="$(DOUBLE_TESTS)" tests/run

also-double:
	$(Q)$(MAKE) --no-print-directory REAL=double BUILD=$(BUILD)/double tests

also-%:
	$(Q)$(MAKE) --no-print-directory ARCH=$* BUILD=$(BUILD)/$* CC=$*-linux-gnu-gcc all tests

tests: $(TESTS)

$(BUILD)/tests/%: tests/%.c $(BUILD)/libweft.a
	@mkdir -p $(@D)
	$(if $(V),,@echo "  $(CC) $<")
	$(Q)$(CC) $(filter-out -fvisibility=hidden -Wmissing-prototypes,$(CFLAGS_ALL)) $(if $(CROSS),-DEMULATED) -Itests $(LDFLAGS_ALL) -o $@ $< $(BUILD)/libweft.a -lcmocka $(LDLIBS_ALL)

-include $(TESTS:=.d)

# Examples and the bench use the library as anybody would: the public header and nothing else.
define build_with_public_header
@mkdir -p $(@D)
$(if $(V),,@echo "  $(CC) $<")
$(Q)$(CC) -std=gnu17 $(CROSS_FLAGS) -O2 $(WARNINGS) $(SANITIZE) -Iinclude -o $@ $< $(BUILD)/libweft.a $(LDLIBS_ALL)
endef

$(BUILD)/examples/%: examples/%.c $(BUILD)/libweft.a include/weft.h
	$(call build_with_public_header)

include fuzz/fuzz.mk
include bench/bench.mk

# ---- Installing ----
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/weft/recipes
	install $(BUILD)/weft $(DESTDIR)$(PREFIX)/bin/weft
	install -m 644 include/weft.h $(DESTDIR)$(PREFIX)/include/weft.h
	install -m 644 $(BUILD)/libweft.a $(DESTDIR)$(PREFIX)/lib/libweft.a
	install $(BUILD)/libweft.so $(DESTDIR)$(PREFIX)/lib/libweft.so.0
	ln -sf libweft.so.0 $(DESTDIR)$(PREFIX)/lib/libweft.so
	install -m 644 recipes/*.yaml $(DESTDIR)$(PREFIX)/share/weft/recipes
	printf 'prefix=%s\nName: weft\nDescription: trains neural networks, and shows which settings work and why\nVersion: %s\nRequires.private: %s\nCflags: -I$${prefix}/include\nLibs: -L$${prefix}/lib -lweft\nLibs.private: -lm -lpthread\n' '$(PREFIX)' '$(VERSION)' '$(LIBS)' > $(DESTDIR)$(PREFIX)/lib/pkgconfig/weft.pc

print-libs:
	@echo $(LDLIBS_ALL)

clean:
	rm -rf build

help:
	@echo 'make            build/weft, build/libweft.a, build/libweft.so'
	@echo 'make demo       install what is missing, build, train and draw the tutorial; SEEDS=3: with three seeds'
	@echo 'make check      install what the tests need, build, run every test'
	@echo 'make check-long hold every activation to 2 ulps at all floats there are, and ops to the cases of ONNX; takes an hour or two'
	@echo 'make bench      measure against other libraries on this machine; ONLY=passes, grid, threads, many or small: a part of it'
	@echo 'make reference  docs/reference.md, anew'
	@echo 'make tutorial   docs/tutorial.md and its pictures, anew; trains for minutes'
	@echo 'make published  the table of bits that weft verify holds this machine against, anew'
	@echo 'make torture    kill a thousand runs, and compare what they come to, KILLS=100: as many; then have every allocation and system call fail, for hours'
	@echo 'make matrix     prove that every compiler and level of optimisation makes the same bits, every folder the same binary; ONLY=clang: a part of it'
	@echo 'make analyse    gcc -fanalyzer, clang-tidy and cppcheck over src/; fails where they find anything'
	@echo 'make mutants    prove that the tests fail when the code is wrong'
	@echo 'make mutants-auto the same with small mistakes that are drawn by SEED=1; SAMPLE=400 of them, ONLY=optimizer: in some files'
	@echo 'make fuzz       feed the parsers inputs that change as they learn; SECONDS=60 each, ONLY=idx,png: these; EXECUTIONS=10000000: until each has run so often; fails where one finds a mistake'
	@echo 'make install    into PREFIX (default /usr/local), below DESTDIR'
	@echo 'make deps       install the Debian packages that are missing'
	@echo 'SAN=address,undefined or thread, DEBUG=1, V=1 go with all of them;'
	@echo 'ARCH=aarch64 builds for 64-bit ARM, into build/aarch64, and checks under an emulator;'
	@echo 'REAL=double builds networks of double precision, into build/double, and checks what is about numbers'

.PHONY: all demo check check-long reference tutorial published analyse torture matrix mutants mutants-auto run-tests tests deps check-deps bench-deps libs install print-libs clean help FORCE
.DELETE_ON_ERROR:
