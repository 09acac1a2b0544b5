# Writes a manual page: a template whose @NAME@ stand for the content of the files COMMANDS, INTERFACE and EXAMPLE, and for PROJECT_VERSION.
foreach(part COMMANDS INTERFACE EXAMPLE)
  if(DEFINED ${part})
    file(READ ${${part}} ${part})
    string(STRIP "${${part}}" ${part})
  endif()
endforeach()
string(TIMESTAMP DATE "%B %d, %Y" UTC) # SOURCE_DATE_EPOCH's, where a packager sets it
string(REPLACE " 0" " " DATE "${DATE}")
# A program as roff takes it.
string(REPLACE "\\" "\\e" EXAMPLE "${EXAMPLE}")
configure_file(${TEMPLATE} ${PAGE} @ONLY)
