#include "monitor/exit_record.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "store/layout.h"

namespace knaller::monitor {
namespace {

std::optional<int> optional_integer(const JsonReader& reader, std::string_view key) {
  if (reader.find(key) == nullptr) return std::nullopt;
  return static_cast<int>(reader.integer(key, -1024, 1024));
}

Json optional_json(const std::optional<int>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

Json exit_record_to_json(const ExitRecord& record) {
  return {{"v", 1},
          {"state", to_text(record.state)},
          {"reason", record.reason},
          {"rc", optional_json(record.rc)},
          {"signal", optional_json(record.signal)},
          {"at", format_time(record.at)}};
}

ExitRecord exit_record_from_json(const Json& json) {
  const JsonReader reader(json, layout::kExitRecord);
  ExitRecord record;
  const std::string state = reader.string("state");
  const auto known = end_state_from_text(state);
  if (!known)
    fail(Code::kCorrupt, "{}: '{}' is not a state in which a VM ends", layout::kExitRecord, printable(state));
  record.state = *known;
  record.reason = printable(reader.string("reason"));
  record.rc = optional_integer(reader, "rc");
  record.signal = optional_integer(reader, "signal");
  const auto at = parse_time(reader.string("at"));
  if (!at) fail(Code::kCorrupt, "{}: 'at' is not a time", layout::kExitRecord);
  record.at = *at;
  return record;
}

std::optional<ExitRecord> read_exit_record(int vm_directory) {
  const auto text = read_file_if_exists(vm_directory, layout::kExitRecord, 64 << 10);
  if (!text) return std::nullopt;
  return exit_record_from_json(parse_json(*text, layout::kExitRecord));
}

namespace {

// More than any record: a reason is one line.
constexpr off_t kReserve = 4096;

// Written where there is room already, then renamed: neither takes another block of the disk.
void write_into_reserve(int vm_directory, const std::string& text) {
  const UniqueFd fd = open_at(vm_directory, layout::kExitReserve, O_WRONLY | O_NOFOLLOW);
  write_at(fd.get(), text.data(), text.size(), 0);
  if (::ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0)
    fail_errno("cut '{}'", layout::kExitReserve);
  fsync_fd(fd.get(), layout::kExitReserve);
  if (::renameat(vm_directory, layout::kExitReserve, vm_directory, layout::kExitRecord) != 0)
    fail_errno("rename '{}' to '{}'", layout::kExitReserve, layout::kExitRecord);
}

}  // namespace

void write_exit_record(int vm_directory, const ExitRecord& record) {
  const std::string text = dump_json(exit_record_to_json(record)) + "\n";
  try {
    write_file_atomically(vm_directory, layout::kExitRecord, text);
    ::unlinkat(vm_directory, layout::kExitReserve, 0);
  } catch (const Error& error) {
    if (error.code() != Code::kExhausted || !stat_if_exists(vm_directory, layout::kExitReserve)) throw;
    write_into_reserve(vm_directory, text);
  }
}

bool reserve_exit_record(int vm_directory) {
  const UniqueFd fd(
      ::openat(vm_directory, layout::kExitReserve, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd && ::fallocate(fd.get(), 0, 0, kReserve) == 0) return true;
  ::unlinkat(vm_directory, layout::kExitReserve, 0);
  return false;
}

}  // namespace knaller::monitor
