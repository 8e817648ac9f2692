# Every library that knaller links, once, with the Debian package it comes from in `dev`'s list.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(GTest REQUIRED)
# 1.81 and not Debian's default 1.74: Asio and Beast are header-only, so nothing of Boost is linked.
find_package(Boost 1.81 REQUIRED)

pkg_check_modules(ext2fs REQUIRED IMPORTED_TARGET ext2fs com_err)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(lzma REQUIRED IMPORTED_TARGET liblzma)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(mnl REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)  # by a program of the build only
# Of these the headers only: they are opened where they are needed (src/base/library.h).
pkg_check_modules(archive REQUIRED libarchive)
pkg_check_modules(crypto REQUIRED libcrypto)
find_path(IPSEC_MB_INCLUDE_DIR intel-ipsec-mb.h REQUIRED)
pkg_check_modules(nftables REQUIRED libnftables)
