# Every library that knaller links, once, with the Debian package it comes from in `dev`'s list.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(GTest REQUIRED)
# 1.81 and not Debian's default 1.74: Asio and Beast are header-only, so nothing of Boost is linked.
find_package(Boost 1.81 REQUIRED)

pkg_check_modules(ext2fs REQUIRED IMPORTED_TARGET ext2fs com_err)
pkg_check_modules(archive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(lzma REQUIRED IMPORTED_TARGET liblzma)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ssh REQUIRED IMPORTED_TARGET libssh)
pkg_check_modules(mnl REQUIRED IMPORTED_TARGET libmnl)
# Its header only; src/store/multi_buffer.cc opens the library itself, where it is installed.
find_path(IPSEC_MB_INCLUDE_DIR intel-ipsec-mb.h REQUIRED)
# Its header only; src/net/packet_filter.cc opens the library itself.
pkg_check_modules(nftables REQUIRED IMPORTED_TARGET libnftables)
