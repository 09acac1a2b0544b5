# cmake -D NM= -D OBJCOPY= -D FROM= -D TO= -P by_pmpi.cmake: copies an archive so that it calls MPI's functions by their PMPI_
# names. Libraries that are preloaded before this one to see MPI's calls then see those of the program alone.
execute_process(COMMAND ${NM} --undefined-only ${FROM} OUTPUT_VARIABLE symbols ERROR_QUIET COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "MPIX?_[A-Z][A-Za-z0-9_]*" names "${symbols}")
list(FILTER names EXCLUDE REGEX "^MPIX?_[A-Z]+(_|$)") # variables
list(REMOVE_DUPLICATES names)
set(renames "")
foreach(name ${names})
  string(APPEND renames "${name} P${name}\n")
endforeach()
file(WRITE ${TO}.names "${renames}")
execute_process(COMMAND ${OBJCOPY} --redefine-syms=${TO}.names ${FROM} ${TO} COMMAND_ERROR_IS_FATAL ANY)
