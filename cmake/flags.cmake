# Flags of every target: warnings are errors, DWARF 4 for Debian's valgrind (lines and functions only, but all of it
# in the debug preset), lld, dead code dropped. What runs at the start only stands together, and so does what seldom
# runs: else each bit of it has its neighbours mapped, 8 % of an idle proxy's memory.
set(weft_debug_info -gdwarf-4)
if(WEFT_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Release")
  list(APPEND weft_debug_info -g1)
endif()
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wconversion
                    -Wno-sign-conversion -Wno-missing-designated-field-initializers
                    -Wimplicit-fallthrough -Wunused -Werror
                    ${weft_debug_info} -ffunction-sections -fdata-sections -fstack-protector-strong)
add_compile_definitions(_GNU_SOURCE $<$<CONFIG:Release,RelWithDebInfo>:_FORTIFY_SOURCE=2>)
add_link_options(-fuse-ld=lld -Wl,--gc-sections -Wl,-z,keep-text-section-prefix)
if(WEFT_SANITIZE)
  add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${WEFT_SANITIZE} -static-libstdc++ -static-libgcc)
else()
  # No dynamic linking: half the memory of an idle proxy, and a third of its start, were the loader's.
  add_link_options(-static)
endif()
set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
# What a request runs through is optimised across files where weft is linked, with more inlined than for code of any
# kind: a fifth fewer instructions for a request. The objects are machine code as well, so that each test program links in
# a moment; the cache makes a link after a small change short.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT WEFT_SANITIZE)
  set(weft_lto_compile -flto=thin -ffat-lto-objects)
  set(weft_lto_link -flto=thin -Wl,--fat-lto-objects -Wl,-mllvm,-inline-threshold=2500 -Wl,-mllvm,-import-instr-limit=400
      -Wl,--thinlto-cache-dir=${CMAKE_BINARY_DIR}/thinlto)
endif()
