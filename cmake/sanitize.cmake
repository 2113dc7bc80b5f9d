# ENGRAM_SANITIZE instruments all that is compiled after this file is included, GoogleTest too: a mutex of
# code the sanitizer does not see would be a race to it.
if(ENGRAM_SANITIZE)
  if(NOT ENGRAM_SANITIZE MATCHES "^(address|undefined|address,undefined|thread)$")
    message(FATAL_ERROR
      "ENGRAM_SANITIZE is \"${ENGRAM_SANITIZE}\"; it can be address, undefined, address,undefined or thread")
  endif()
  add_compile_options(-fsanitize=${ENGRAM_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${ENGRAM_SANITIZE})
  # Whoever hunts bugs wants the assertions as well, ours and those of the standard library.
  add_compile_options(-UNDEBUG)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
