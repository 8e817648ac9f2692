// libssh, opened when it is needed: with the Kerberos libraries that it pulls in, it takes 4 ms to load.
// Include in .cc files only.
#ifndef KNALLER_GUEST_LIBSSH_H_
#define KNALLER_GUEST_LIBSSH_H_

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>

#include "base/library.h"

namespace knaller {

// The functions that are used, one list for the fields and for finding them.
// clang-format off
#define KNALLER_LIBSSH_FUNCTIONS(USE) \
  USE(ssh_channel_change_pty_size) USE(ssh_channel_free) USE(ssh_channel_is_open) USE(ssh_channel_new) \
  USE(ssh_channel_open_session) USE(ssh_channel_poll) USE(ssh_channel_read_nonblocking) \
  USE(ssh_channel_request_exec) USE(ssh_channel_request_pty_size) USE(ssh_channel_request_send_signal) \
  USE(ssh_channel_send_eof) USE(ssh_channel_window_size) USE(ssh_channel_write) \
  USE(ssh_clean_pubkey_hash) USE(ssh_connect) USE(ssh_event_add_session) USE(ssh_event_dopoll) \
  USE(ssh_event_free) USE(ssh_event_new) USE(ssh_free) USE(ssh_get_error) \
  USE(ssh_get_fingerprint_hash) USE(ssh_get_log_callback) USE(ssh_get_log_level) \
  USE(ssh_get_log_userdata) USE(ssh_get_poll_flags) USE(ssh_get_publickey_hash) \
  USE(ssh_get_server_publickey) USE(ssh_get_serverbanner) USE(ssh_is_connected) USE(ssh_key_free) \
  USE(ssh_key_type) USE(ssh_key_type_to_char) USE(ssh_new) USE(ssh_options_set) \
  USE(ssh_pki_export_privkey_base64) USE(ssh_pki_export_pubkey_base64) USE(ssh_pki_generate) \
  USE(ssh_pki_import_privkey_base64) USE(ssh_remove_channel_callbacks) USE(ssh_set_blocking) \
  USE(ssh_set_channel_callbacks) USE(ssh_set_log_callback) USE(ssh_set_log_level) \
  USE(ssh_set_log_userdata) USE(ssh_set_message_callback) USE(ssh_string_free_char) \
  USE(ssh_userauth_publickey)
// clang-format on

struct LibSsh {
  KNALLER_LIBSSH_FUNCTIONS(KNALLER_LIBRARY_FUNCTION)
};

// Opens it at the first call. Any thread; throws what Library does.
const LibSsh& libssh();

}  // namespace knaller

#endif  // KNALLER_GUEST_LIBSSH_H_
