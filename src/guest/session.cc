#include "guest/session.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/socket.h"
#include "base/text.h"
#include "guest/command_line.h"
#include "guest/known_hosts.h"
#include "guest/remote_command.h"
#include "guest/session_impl.h"

namespace knaller::guest {
namespace {

std::string server_key_line(ssh_key key) {
  char* text = nullptr;
  if (libssh().ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
    fail(Code::kIo, "the guest's host key cannot be read");
  const SshString base64(text);
  return fmt::format("{} {}", libssh().ssh_key_type_to_char(libssh().ssh_key_type(key)), base64.get());
}

std::string fingerprint(ssh_key key) {
  unsigned char* hash = nullptr;
  size_t size = 0;
  if (libssh().ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) != SSH_OK)
    return "unknown";
  const SshString text(libssh().ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size));
  libssh().ssh_clean_pubkey_hash(&hash);
  return text ? text.get() : "unknown";
}

void check_address(const Address& address) {
  const bool bad_alias =
      address.host_alias.empty() || address.host_alias.find_first_of(" \t\r\n,#@|") != std::string::npos;
  if (bad_alias) fail(Code::kInvalidArgument, "'{}' cannot name a host key", printable(address.host_alias));
  if (address.port == 0) fail(Code::kInvalidArgument, "no port of the guest's SSH server was given");
}

KeyHandle load_private_key(const std::string& path) {
  const Secret text(read_file(path, 64 << 10));
  ssh_key key = nullptr;
  // An empty passphrase and no callback: libssh must not ask on the terminal.
  if (libssh().ssh_pki_import_privkey_base64(text.text().c_str(), "", nullptr, nullptr, &key) != SSH_OK)
    throw Error(Code::kCorrupt, fmt::format("'{}' is not a private key without a passphrase", path));
  return KeyHandle(key);
}

class Connector {
 public:
  Connector(const Address& address, Session::Impl& impl, const Deadline& deadline)
      : address_(address), impl_(impl), link_(impl.link), deadline_(deadline) {}

  void run() {
    const std::string known = read_file_if_exists(AT_FDCWD, address_.known_hosts_file).value_or("");
    pinned_ = pinned_keys(known, address_.host_alias);
    shake_hands();
    check_host_key(known);
    authenticate();
  }

 private:
  void shake_hands() {
    link_.set(SSH_OPTIONS_HOST, address_.host);
    link_.set(SSH_OPTIONS_USER, address_.user);
    link_.set(SSH_OPTIONS_HOSTKEYS, host_key_algorithms(pinned_));
    const int rc = link_.drive([&] { return libssh().ssh_connect(link_.session()); }, SSH_AGAIN, deadline_,
                               "the guest's SSH server to shake hands");
    if (rc != SSH_OK) link_.fail_with("no SSH connection to the guest");
  }

  void check_host_key(const std::string& known) {
    ssh_key shown = nullptr;
    if (libssh().ssh_get_server_publickey(link_.session(), &shown) != SSH_OK)
      link_.fail_with("the guest showed no host key");
    const KeyHandle key(shown);
    impl_.host_key = server_key_line(key.get());
    if (pinned_.empty()) {
      const std::string text = known.empty() || known.back() == '\n' ? known : known + '\n';
      write_file_atomically(AT_FDCWD, address_.known_hosts_file,
                            text + known_hosts_line(address_.host_alias, impl_.host_key));
      return;
    }
    if (std::find(pinned_.begin(), pinned_.end(), impl_.host_key) != pinned_.end()) return;
    throw Error(
        Code::kPermission,
        fmt::format("the guest at {} shows another host key ({}) than the one that is pinned for '{}'",
                    link_.where(), fingerprint(key.get()), address_.host_alias),
        fmt::format(
            "something else answers on that port, or the guest's host key was replaced; if you replaced "
            "it, remove the file '{}'",
            address_.known_hosts_file));
  }

  void authenticate() {
    const KeyHandle key = load_private_key(address_.key_file);
    const auto login = [&] { return libssh().ssh_userauth_publickey(link_.session(), nullptr, key.get()); };
    const int rc = link_.drive(login, SSH_AUTH_AGAIN, deadline_, "the guest to accept the key");
    if (rc == SSH_AUTH_SUCCESS) return;
    if (rc != SSH_AUTH_DENIED && rc != SSH_AUTH_PARTIAL) link_.fail_with("cannot log in to the guest");
    throw Error(Code::kPermission,
                fmt::format("the guest at {} does not accept the key '{}' for user '{}'", link_.where(),
                            address_.key_file, printable(address_.user)),
                "the public key must stand in that user's ~/.ssh/authorized_keys in the guest");
  }

  const Address& address_;
  Session::Impl& impl_;
  Link& link_;
  const Deadline& deadline_;
  std::vector<std::string> pinned_;
};

}  // namespace

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session Session::connect(const Address& address, const Deadline& deadline) {
  check_address(address);
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  auto impl = std::make_unique<Impl>(address, connect_tcp(address.host, address.port, deadline), where);
  Connector(address, *impl, deadline).run();
  return Session(std::move(impl));
}

const std::string& Session::host_key() const {
  return impl_->host_key;
}

const std::string& Session::user() const {
  return impl_->address.user;
}

CommandOutput Session::run_command(const ExecOptions& options, std::string_view input,
                                   const Deadline& deadline, size_t output_limit) {
  RemoteCommand command(*this, command_line(options, impl_->address.user), deadline);
  CommandOutput output;
  std::array<char, 16384> buffer;
  command.write(input);
  command.close_input();
  while (const size_t got = command.read(buffer.data(), buffer.size())) {
    output.out.append(buffer.data(), got);
    if (output.out.size() > output_limit)
      fail(Code::kIo, "a command in the guest wrote more than {} bytes", output_limit);
  }
  output.result = command.finish();
  output.err = command.error_output();
  return output;
}

std::string Session::run(const std::vector<std::string>& argv, std::string_view input,
                         const Deadline& deadline) {
  ExecOptions options;
  options.argv = argv;
  options.user = impl_->address.user;
  auto output = run_command(options, input, deadline);
  if (output.result.exit_code != 0 || output.result.signal != 0)
    fail(Code::kIo, "'{}' in the guest failed with {}", printable(argv.front()),
         describe_failure(output.result, output.err));
  return std::move(output.out);
}

std::string describe_failure(const ExecResult& result, std::string_view error_output) {
  std::string text = result.signal != 0 ? fmt::format("signal {}", result.signal)
                                        : fmt::format("exit status {}", result.exit_code);
  std::string_view words = trim(error_output);
  if (words.size() > 500) words.remove_prefix(words.size() - 500);
  if (!words.empty()) text += ": " + printable(words);
  return text;
}

}  // namespace knaller::guest
