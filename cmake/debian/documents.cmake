# Run by CPack on what it is about to pack: adds what Debian asks of every package, and compresses the manual.
foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} key)
  set(root ${CPACK_TEMPORARY_DIRECTORY}/${component}/usr)
  set(name ${CPACK_DEBIAN_${key}_PACKAGE_NAME})
  set(doc ${root}/share/doc/${name})
  file(COPY ${CPACK_TUTTI_DOCUMENTS}/copyright DESTINATION ${doc})
  string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
  file(WRITE ${doc}/changelog.Debian
       "tutti (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium\n\n  * Packed by CPack.\n\n"
       " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  file(GLOB_RECURSE manual ${root}/share/man/*.[13])
  execute_process(COMMAND gzip -9n ${doc}/changelog.Debian ${manual} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
