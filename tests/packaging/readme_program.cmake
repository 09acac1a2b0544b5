# Fails unless README.md contains the program examples/allreduce_hello/main.cpp as it is.
file(READ ${SOURCE_DIR}/README.md readme)
file(READ ${SOURCE_DIR}/examples/allreduce_hello/main.cpp program)
string(FIND "${readme}" "```cpp\n${program}```\n" position)
if(position EQUAL -1)
  message(FATAL_ERROR "README.md does not show examples/allreduce_hello/main.cpp as it is: copy the file into its cpp block")
endif()
