// libarchive, opened when it is needed: with the eight libraries that it pulls in, it takes 2 ms to load.
// Include in .cc files only.
#ifndef KNALLER_BASE_LIBARCHIVE_H_
#define KNALLER_BASE_LIBARCHIVE_H_

#include <archive.h>
#include <archive_entry.h>

#include "base/library.h"

namespace knaller {

// The functions that are used, one list for the fields and for finding them.
// clang-format off
#define KNALLER_LIBARCHIVE_FUNCTIONS(USE) \
  USE(archive_entry_copy_hardlink) USE(archive_entry_copy_pathname) USE(archive_entry_copy_symlink) \
  USE(archive_entry_filetype) USE(archive_entry_free) USE(archive_entry_gid) \
  USE(archive_entry_hardlink) USE(archive_entry_hardlink_utf8) USE(archive_entry_mode) \
  USE(archive_entry_mtime) USE(archive_entry_new) \
  USE(archive_entry_pathname) USE(archive_entry_pathname_utf8) \
  USE(archive_entry_rdevmajor) USE(archive_entry_rdevminor) USE(archive_entry_set_filetype) \
  USE(archive_entry_set_gid) USE(archive_entry_set_mode) USE(archive_entry_set_mtime) \
  USE(archive_entry_set_pathname) USE(archive_entry_set_perm) USE(archive_entry_set_size) \
  USE(archive_entry_set_uid) USE(archive_entry_sparse_add_entry) \
  USE(archive_entry_symlink) USE(archive_entry_symlink_utf8) \
  USE(archive_entry_uid) USE(archive_entry_xattr_next) USE(archive_entry_xattr_reset) \
  USE(archive_error_string) USE(archive_read_data) USE(archive_read_free) \
  USE(archive_read_new) USE(archive_read_next_header) USE(archive_read_open) \
  USE(archive_read_open_filename) USE(archive_read_support_filter_all) \
  USE(archive_read_support_format_ar) USE(archive_read_support_format_tar) USE(archive_set_error) \
  USE(archive_write_close) USE(archive_write_data) USE(archive_write_free) USE(archive_write_header) \
  USE(archive_write_new) USE(archive_write_open) USE(archive_write_open_filename) \
  USE(archive_write_set_format_pax_restricted)
// clang-format on

struct LibArchive {
  KNALLER_LIBARCHIVE_FUNCTIONS(KNALLER_LIBRARY_FUNCTION)
};

// Opens it at the first call. Any thread; throws what Library does.
const LibArchive& libarchive();

}  // namespace knaller

#endif  // KNALLER_BASE_LIBARCHIVE_H_
