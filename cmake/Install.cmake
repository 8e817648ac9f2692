# What is installed beside the command line: its helper programs, the public headers, and one static library with a CMake
# package and a pkg-config file.
include(CMakePackageConfigHelpers)

install(TARGETS knaller-monitor knaller-qemu RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/knaller)
install(TARGETS knaller-guest RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/knaller/guest)
# Without what only a debugger reads, most of their size; the build's own programs keep it.
if(CMAKE_STRIP AND CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  foreach(program bin/knaller ${CMAKE_INSTALL_LIBEXECDIR}/knaller/knaller-monitor ${CMAKE_INSTALL_LIBEXECDIR}/knaller/knaller-qemu)
    install(CODE "execute_process(COMMAND \"${CMAKE_STRIP}\" \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${program}\" COMMAND_ERROR_IS_FATAL ANY)")
  endforeach()
endif()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/knaller DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(archives "")
foreach(folder monitor engine image ssh entry copy memory net disk portable store firecracker channel base)
  list(APPEND archives $<TARGET_FILE:knaller_${folder}>)
endforeach()
set(library ${CMAKE_BINARY_DIR}/lib/libknaller.a)
add_custom_command(OUTPUT ${library}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/lib
  COMMAND ${CMAKE_SOURCE_DIR}/cmake/merge-library ${library} $<TARGET_FILE:knaller_vm> ${archives}
  DEPENDS knaller_vm ${archives} ${CMAKE_SOURCE_DIR}/cmake/merge-library COMMENT "Linking the installed library libknaller.a" VERBATIM)
add_custom_target(libknaller ALL DEPENDS ${library})
install(FILES ${library} DESTINATION ${CMAKE_INSTALL_LIBDIR})

# The pkg-config names of what libknaller.a itself needs; both packages say the same.
set(KNALLER_REQUIRES_LIST fmt ext2fs com_err libzstd liblz4 liblzma zlib)
list(JOIN KNALLER_REQUIRES_LIST " " KNALLER_REQUIRES)
file(RELATIVE_PATH KNALLER_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_SOURCE_DIR}/cmake/knaller.pc.in ${CMAKE_BINARY_DIR}/package/knaller.pc @ONLY)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/knallerConfig.cmake.in ${CMAKE_BINARY_DIR}/package/knallerConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/knaller
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_LIBEXECDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/knallerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/knaller.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_BINARY_DIR}/package/knallerConfig.cmake ${CMAKE_BINARY_DIR}/package/knallerConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/knaller)
