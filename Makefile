# make · make run · make check · make check-full · make fuzz · make model · make tidy · make peers · make bench · make install · make clean
# Variants of every object: rel (what ships), asan (address, undefined behaviour), tsan (threads).
VERSION  := 0.1.0
PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
ROOMS    ?= *
CC       := gcc
CFLAGS   ?= -O2 -g
CPPFLAGS := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DLATCH_VERSION='"$(VERSION)"' -Isrc -Iinclude
WARN     := -std=gnu11 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla \
            -Wwrite-strings -Wundef -Werror -Werror=unused-result
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection -fexceptions
LINK     := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed
LIBS     := -lcivetweb -lurcu -lurcu-common -lsqlite3 -lsodium -ljansson -lseccomp -linih -lz -lvterm -lpthread

FLAGS_rel  := $(CFLAGS) -D_FORTIFY_SOURCE=2
# What is read or written through a wrong pointer the address sanitizer sees; that one is made is left to the fuzzer's
# variant, which is small: the two checks are a fifth of the time to compile.
FLAGS_asan := -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize=null,pointer-overflow \
              -fno-sanitize-recover=undefined -DPASSWORD_MEMORY_KIB=1024u
FLAGS_fuzz := -O1 -g1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
              -fno-sanitize-recover=undefined
FLAGS_tsan := -O1 -g1 -fno-omit-frame-pointer -fsanitize=thread -DPASSWORD_MEMORY_KIB=1024u

SRC   := $(filter-out src/base/fault.c %_main.c,$(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c)))
MAINS := $(foreach r,$(ROOMS),$(wildcard src/$(r)/*_main.c)) $(if $(filter *,$(ROOMS)),$(wildcard tools/*/*_main.c))
TESTS := $(foreach r,$(ROOMS),$(wildcard tests/$(r)/test_*.c))

.DEFAULT_GOAL := all
.SECONDEXPANSION:
.DELETE_ON_ERROR:
.SUFFIXES:

bin_name = $(subst _,-,$(patsubst %_main,%,$(basename $(notdir $(1)))))
# The other files beside a program in tools/ are its own; those of a room are in the archive.
parts_of = $(if $(filter tools/%,$(1)),$(filter-out %_main.c,$(wildcard $(dir $(1))*.c)))
main_of  = $(foreach m,$(MAINS),$(if $(filter $(1),$(call bin_name,$(m))),$(m)))
# $(1) variant, $(2) program. A function, for make takes a % in a pattern rule's prerequisites for its stem.
objects_of = $(patsubst %.c,$(BUILD)/$(1)/obj/%.o,$(call main_of,$(2)) $(call parts_of,$(call main_of,$(2))))

# The holder and the cage's init are small static programs: they start quickly and weigh little beside a
# session. The address sanitizer cannot be linked statically, so its holder is dynamic; init stays as it is.
STATIC_rel  := latch-hold latch-init
STATIC_asan := latch-init
STATIC_tsan := latch-hold latch-init

# What has one thread has no race to be found: the spawner, the holders, rooms that share nothing.
ONE_THREAD_tsan := $(foreach r,config hold search spawn vt workspace,$(BUILD)/tsan/test/$(r)/%)
# For the fuzzer's targets, the rooms that they feed; whatever these call besides comes from rel.
OURS_fuzz := $(foreach r,api base config front rpc vt workspace,$(BUILD)/fuzz/obj/src/$(r)/%)

# $(1) variant, $(2) where its programs go
define VARIANT
OBJ_$(1)  := $$(filter $$(or $$(OURS_$(1)),%),$$(SRC:%.c=$(BUILD)/$(1)/obj/%.o) \
             $$(if $$(filter * web,$$(ROOMS)),$(BUILD)/$(1)/obj/web/assets.o))
BINS_$(1) := $$(foreach m,$$(MAINS),$(2)/$$(call bin_name,$$(m)))
TESTS_$(1) := $$(filter-out $$(ONE_THREAD_$(1)),$$(TESTS:tests/%.c=$(BUILD)/$(1)/test/%))

$(BUILD)/$(1)/obj/%.o: %.c | $$$$(@D)/.dir
	@echo "  CC    $(1) $$<"
	@$$(or $$(CC_$(1)),$$(CC)) $$(CPPFLAGS) $$(WARN) $$(HARDEN) $$(FLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(BUILD)/$(1)/obj/web/assets.o: $(BUILD)/web/assets.c | $$$$(@D)/.dir
	@echo "  CC    $(1) $$<"
	@$$(or $$(CC_$(1)),$$(CC)) $$(CPPFLAGS) -std=gnu11 $$(HARDEN) $$(FLAGS_$(1)) -MMD -MP -c $$< -o $$@
# The assembler reads runner.py, which the compiler's list of dependencies does not know.
$(BUILD)/$(1)/obj/src/spawn/runner.o: src/spawn/runner.py
$(BUILD)/$(1)/lib/liblatchd.a: $$(OBJ_$(1)) | $$$$(@D)/.dir
	@echo "  AR    $$@"
	@rm -f $$@; ar rcs $$@ $$(OBJ_$(1))

$(2)/.dir:
	@mkdir -p $$(@D) && touch $$@
$(2)/%: $$$$(call objects_of,$(1),$$$$*) $(BUILD)/$(1)/lib/liblatchd.a | $$$$(@D)/.dir
	@echo "  LINK  $$@"
	@if [ -n "$$(filter $$*,$$(STATIC_$(1)))" ]; then \
	  $$(CC) $$(CFLAGS) -static-pie -Wl,-z,relro,-z,now $$(filter %.o,$$^) $(BUILD)/$(1)/lib/liblatchd.a -lvterm -o $$@; \
	else \
	  $$(CC) $$(FLAGS_$(1)) $$(LINK) $$(filter %.o,$$^) $(BUILD)/$(1)/lib/liblatchd.a $$(LIBS) -o $$@; \
	fi

# Unit tests: one program a file, with the fault countdown linked in.
$(BUILD)/$(1)/test/%: $(BUILD)/$(1)/obj/tests/%.o $(BUILD)/$(1)/obj/src/base/fault.o \
                      $(BUILD)/$(1)/obj/tests/fault/fail.o $(BUILD)/$(1)/lib/liblatchd.a | $$$$(@D)/.dir
	@echo "  LINK  $$@"
	@$$(CC) $$(FLAGS_$(1)) $$(LINK) $$(QUICK_LINK) $$(FAULT_WRAP) $$(filter %.o,$$^) $(BUILD)/$(1)/lib/liblatchd.a $$(LIBS) -lcmocka -o $$@

# A viewer that gives what this test wants, when it wants.
$(BUILD)/$(1)/test/front/test_direct: QUICK_LINK += -Wl,--wrap=viewer_take,--wrap=port_viewers

# The tests of latch have a table of their own, with classes that nest; liblatch is the one that the server has.
NESTED_$(1) := $(BUILD)/$(1)/nested/src/latch/classes.o
$(BUILD)/$(1)/nested/%.o: %.c | $$$$(@D)/.dir
	@echo "  CC    $(1) $$< (nested classes)"
	@$$(CC) $$(CPPFLAGS) $$(NESTED_TABLE) $$(WARN) $$(HARDEN) $$(FLAGS_$(1)) -MMD -MP -c $$< -o $$@
$(BUILD)/$(1)/obj/tests/latch/%.o: CPPFLAGS += $$(NESTED_TABLE)
$$(filter $(BUILD)/$(1)/test/latch/%,$$(TESTS_$(1))): $$(NESTED_$(1))
endef
NESTED_TABLE := -DLATCH_CLASSES_HEADER='"../../tests/latch/nested_classes.h"'

# binutils' other linker takes half the time: there are a hundred and fifty test programs.
QUICK_LINK := -fuse-ld=gold

# The objects linked into static programs must not carry a sanitizer: those variants take them from rel.
FAULT_CALLS := malloc calloc realloc strdup write fsync ftruncate64 memfd_create socketpair sendmsg recvmsg eventfd \
               fork pthread_create
FAULT_WRAP  := $(FAULT_CALLS:%=-Wl,--wrap=%)

$(eval $(call VARIANT,rel,$(BUILD)/bin))
$(eval $(call VARIANT,asan,$(BUILD)/asan/bin))
$(eval $(call VARIANT,tsan,$(BUILD)/tsan/bin))
$(eval $(call VARIANT,fuzz,$(BUILD)/fuzz/bin))
$(foreach b,$(STATIC_asan),$(eval $(BUILD)/asan/bin/$(b): $(BUILD)/bin/$(b) | $(BUILD)/asan/bin/.dir ; @cp --remove-destination $$< $$@))
$(foreach b,$(STATIC_tsan),$(eval $(BUILD)/tsan/bin/$(b): $(BUILD)/bin/$(b) | $(BUILD)/tsan/bin/.dir ; @cp --remove-destination $$< $$@))

%/.dir:
	@mkdir -p $(@D) && touch $@
.PRECIOUS: %/.dir $(BUILD)/rel/obj/%.o $(BUILD)/asan/obj/%.o $(BUILD)/tsan/obj/%.o $(BUILD)/fuzz/obj/%.o \
           $(BUILD)/rel/nested/%.o $(BUILD)/asan/nested/%.o $(BUILD)/tsan/nested/%.o

# liblatch for other programs: both libraries are one object that shows its public names alone. Threads' own data
# is found without a call, which is why the library is loaded at a program's start.
LATCH_ABI := $(shell awk '$$2 == "LATCH_ABI" { print $$3 }' include/latch/table.h)
LIBLATCH  := $(patsubst %.c,$(BUILD)/lib/obj/%.o,$(filter-out %/classes.c,$(wildcard src/latch/*.c)))
LIBS_latch := $(BUILD)/lib/liblatch.a $(BUILD)/lib/liblatch.so $(BUILD)/lib/liblatch-malloc.so
$(BUILD)/lib/obj/%.o: %.c | $$(@D)/.dir
	@echo "  CC    lib $<"
	@$(CC) $(CPPFLAGS) $(WARN) $(filter-out -fPIE,$(HARDEN)) -fPIC -fvisibility=hidden -ftls-model=initial-exec \
	  $(FLAGS_rel) -MMD -MP -c $< -o $@
$(BUILD)/lib/obj/liblatch.o: $(LIBLATCH)
	@$(LD) -r $^ -o $@ && objcopy --localize-hidden $@
$(BUILD)/lib/liblatch.a: $(BUILD)/lib/obj/liblatch.o
	@echo "  AR    $@"
	@rm -f $@; ar rcs $@ $<
$(BUILD)/lib/liblatch.so: $(BUILD)/lib/obj/liblatch.o
	@echo "  LINK  $@"
	@$(CC) $(FLAGS_rel) -shared $(filter -Wl%,$(LINK)) -Wl,-z,nodelete -Wl,-soname,liblatch.so.$(LATCH_ABI) $< \
	  -lurcu -lpthread -o $@
# For LD_PRELOAD: it needs nothing of liblatch, which looks for it.
$(BUILD)/lib/liblatch-malloc.so: src/latch/preload/malloc.c include/latch/heap.h | $$(@D)/.dir
	@echo "  LINK  $@"
	@$(CC) $(CPPFLAGS) $(WARN) $(filter-out -fPIE,$(HARDEN)) -fPIC -fno-builtin -fvisibility=hidden $(FLAGS_rel) \
	  -shared $(filter -Wl%,$(LINK)) $< -o $@
.PRECIOUS: $(BUILD)/lib/obj/%.o

all: $(BINS_rel) $(LIBS_latch) lock-order
all-asan: $(BINS_asan)
all-tsan: $(BINS_tsan)

# The drawing of the table of lock classes is made from the table: one that is older than it is refused, unless it is
# to be drawn anew.
lock-order: $(BUILD)/bin/latch-order | $(filter docs/lock-order.svg,$(MAKECMDGOALS))
	@$< svg >$(BUILD)/lock-order.svg
	@cmp -s $(BUILD)/lock-order.svg docs/lock-order.svg || { \
	  echo "docs/lock-order.svg is not what include/latch/classes.h says: make docs/lock-order.svg" >&2; exit 1; }
.PHONY: lock-order docs/lock-order.svg
docs/lock-order.svg: $(BUILD)/bin/latch-order
	@$< svg >$@

# The browser IDE: types checked, bundled, packed into a C table (front/assets.h).
WEB := $(wildcard src/web/*.*)
$(BUILD)/web/assets.c: $(WEB) src/web/node_modules/.installed | $$(@D)/.dir
	@echo "  WEB   $@"
	@cd src/web && node_modules/.bin/tsc && node build.mjs $(abspath $@)
src/web/node_modules/.installed: src/web/package-lock.json
	@echo "  NPM   src/web"
	@cd src/web && npm ci --no-audit --no-fund --silent && touch node_modules/.installed

# A part alone, elsewhere: make unit-asan BUILD=/tmp/b ROOMS="base latch pool" ONLY=pool

# Unit tests of one variant: make unit-asan [ONLY=pool]
# Those of spawn, hold and session start the real programs.
unit-asan: $(TESTS_asan) $(BINS_asan) ; BUILD=$(BUILD) tools/run-unit asan $(ONLY)
unit-tsan: $(TESTS_tsan) $(BINS_tsan) ; BUILD=$(BUILD) tools/run-unit tsan $(ONLY)
unit-rel:  $(TESTS_rel)  $(BINS_rel)  ; BUILD=$(BUILD) tools/run-unit rel $(ONLY)

# Sets itself up on a fresh Debian 12, then serves. Settings: make run ARGS="--listen 127.0.0.1:9000"
run:
	@tools/deps run
	@$(MAKE) --no-print-directory -j2 all
	@exec $(BUILD)/bin/latchd $(ARGS)

# Every test that belongs in a check; under 15 minutes on two cores.
check:
	@tools/deps check
	@$(MAKE) --no-print-directory -j2 all all-asan all-tsan tests-asan tests-tsan fuzz-targets $(BUILD)/fault_shim.so e2e-deps
	@BUILD=$(BUILD) tools/check
# The acceptance tests with the numbers of docs/acceptance.md: COUNT=full make check-full. Takes hours, not minutes.
check-full:
	@tools/deps check
	@$(MAKE) --no-print-directory -j2 all e2e-deps
	@BUILD=$(BUILD) E2E_SECONDS=14400 JOBS=1 tools/run-e2e rel 2
tests-asan: $(TESTS_asan)
tests-tsan: $(TESTS_tsan)

# libFuzzer targets: only clang has it.
CC_fuzz      := clang
FUZZ         := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 600
fuzz-targets: $(FUZZ)
$(FUZZ): $(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(BUILD)/fuzz/lib/liblatchd.a $(BUILD)/rel/lib/liblatchd.a
	@echo "  LINK  $@"
	@$(CC_fuzz) -fsanitize=fuzzer,address,undefined $(LINK) $^ $(LIBS) -o $@
fuzz:
	@tools/deps fuzz
	@$(MAKE) --no-print-directory -j2 fuzz-targets
	@BUILD=$(BUILD) tools/run-fuzz $(FUZZ_SECONDS)

# System calls that fail on demand, preloaded by end-to-end tests.
$(BUILD)/fault_shim.so: tests/fault/shim.c | $$(@D)/.dir
	@echo "  LINK  $@"
	@$(CC) -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared $< -ldl -o $@

# The npm packages of the end-to-end tests, from their lock file.
e2e-deps: $(BUILD)/fault_shim.so tests/e2e/node_modules/.installed
tests/e2e/node_modules/.installed: tests/e2e/package-lock.json
	@cd tests/e2e && npm ci --no-audit --no-fund --silent && touch node_modules/.installed

# Spin: the models of tests/model, and their broken twins. One alone: make model ONLY=gate
model:
	@tools/deps model
	@ONLY=$(ONLY) tools/run-model

# What latch-bench terminal --peers measures beside: servers of a few lines, and the packages they stand on.
peers:
	@tools/deps bench
	@$(MAKE) --no-print-directory $(BUILD)/peers/.installed
$(BUILD)/peers/.installed: $(wildcard tools/latch-bench/peers/*.*) | $$(@D)/.dir
	@cp $^ $(@D) && cd $(@D) && npm ci --no-audit --no-fund --silent && touch .installed

# What the server does beside peers, and under a class. Best on a machine that does nothing else.
bench: peers
	@$(MAKE) --no-print-directory -j2 all
	@for what in front "terminal --peers" run classroom lock registry levels; do $(BUILD)/bin/latch-bench $$what $(ARGS) || exit 1; done

# What the compilers do not insist on: format, floors, sizes, thread safety, lint, unused code and includes.
LINTED  := $(wildcard src/*/*.[ch] include/*/*.h tools/*/*.[ch] tests/*/*.[ch])
tidy_of  = $(patsubst %.c,$(BUILD)/tidy/%.o,$(filter %.c,$(1)))
tidy:
	@tools/deps tidy
	@clang-format --dry-run -Werror $(LINTED)
	@tools/check-floors
	@tools/check-sizes
	@$(MAKE) --no-print-directory -j2 lint
	@$(MAKE) --no-print-directory unused
	@echo "tidy"
# A header of tests brings what its tests need: it is no wall.
lint: $(patsubst %,$(BUILD)/tidy/%.lint,$(filter-out tests/%.h,$(LINTED)))
unused: $(call tidy_of,$(filter-out tests/%,$(LINTED)))
	@tools/check-unused $(BUILD)

$(BUILD)/tidy/%.o: %.c | $$(@D)/.dir
	@$(CC) $(CPPFLAGS) -std=gnu11 -O0 -ffunction-sections -MMD -MP -c $< -o $@
$(BUILD)/tidy/%.c.lint: %.c $(BUILD)/tidy/%.o .clang-tidy tools/lint tools/blocking.h
	@echo "  LINT  $<"
	@tools/lint $< $(CPPFLAGS) && touch $@
$(BUILD)/tidy/%.h.lint: %.h $(filter %.h,$(LINTED)) .clang-tidy tools/lint | $$(@D)/.dir
	@echo "  LINT  $<"
	@tools/lint $< $(CPPFLAGS) && touch $@
$(BUILD)/tidy/tests/latch/%: CPPFLAGS += $(NESTED_TABLE)
.PRECIOUS: $(BUILD)/tidy/%.o

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/latch
	install -m 0755 $(filter-out %/civet-echo,$(BINS_rel)) $(DESTDIR)$(PREFIX)/bin
	install -m 0644 README.md LICENSE docs/*.md docs/*.svg $(DESTDIR)$(PREFIX)/share/doc/latch
	@$(MAKE) --no-print-directory install-liblatch

# liblatch alone: headers without Latch's own table, both libraries, what pkg-config says of them.
install-liblatch: $(LIBS_latch)
	install -d $(DESTDIR)$(PREFIX)/include/latch $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 0644 $(filter-out %/classes.h,$(wildcard include/latch/*.h)) $(DESTDIR)$(PREFIX)/include/latch
	install -m 0644 $(BUILD)/lib/liblatch.a $(DESTDIR)$(PREFIX)/lib
	install -m 0755 $(BUILD)/lib/liblatch-malloc.so $(DESTDIR)$(PREFIX)/lib
	install -m 0755 $(BUILD)/lib/liblatch.so $(DESTDIR)$(PREFIX)/lib/liblatch.so.$(VERSION)
	ln -sf liblatch.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/liblatch.so.$(LATCH_ABI)
	ln -sf liblatch.so.$(LATCH_ABI) $(DESTDIR)$(PREFIX)/lib/liblatch.so
	sed 's,@prefix@,$(PREFIX),; s,@version@,$(VERSION),' src/latch/liblatch.pc.in \
	  >$(DESTDIR)$(PREFIX)/lib/pkgconfig/liblatch.pc

clean:
	rm -rf $(BUILD)

.PHONY: model peers fuzz fuzz-targets tidy lint unused all all-asan all-tsan run check check-full bench install install-liblatch tests-asan tests-tsan e2e-deps unit-asan unit-tsan unit-rel clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
