#include "copies.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/file.h"
#include "base/text.h"

namespace knaller::bench {
namespace {

constexpr int kTimes = 5;
constexpr int kSmallFiles = 2000;
constexpr size_t kLargeBytes = 100 << 20;
// The guest's root disk, and its memory: what its file system costs, and what the copy.
constexpr char kOnDisk[] = "/root/bench-copy", kInMemory[] = "/run/bench-copy";

class Copies {
 public:
  Copies(const Setting& setting, Manager& manager, std::string vm)
      : manager_(manager), vm_(std::move(vm)), folder_(setting.scratch + "/copies") {
    make_directories(folder_ + "/small");
    write_file_atomically(AT_FDCWD, folder_ + "/large", random_bytes(kLargeBytes), Durability::kNoSync);
    for (int i = 0; i < kSmallFiles; ++i)
      write_file_atomically(AT_FDCWD, fmt::format("{}/small/{}", folder_, i), fmt::format("file {}\n", i),
                            Durability::kNoSync);
  }

  // Each time to where nothing is.
  Figure in(const std::string& name, const std::string& source, const std::string& target,
            std::optional<double> bar) {
    Figure figure{.name = name, .unit = "ms", .samples = {}, .bar = bar, .note = {}};
    for (int i = 0; i < kTimes; ++i) {
      run_in_guest({"rm", "-rf", target});
      figure.samples.push_back(
          time_of([&] { copy(CopyOptions::Direction::kToGuest, folder_ + "/" + source, target); }));
    }
    return figure;
  }
  Figure out(const std::string& name, const std::string& source, double bar) {
    Figure figure{.name = name, .unit = "ms", .samples = {}, .bar = bar, .note = {}};
    const std::string target = folder_ + "/back";
    for (int i = 0; i < kTimes; ++i) {
      figure.samples.push_back(time_of([&] { copy(CopyOptions::Direction::kFromGuest, target, source); }));
      remove_tree(AT_FDCWD, target);
    }
    return figure;
  }

 private:
  void copy(CopyOptions::Direction direction, const std::string& here, const std::string& there) {
    CopyOptions options;
    options.vm = vm_;
    options.direction = direction;
    options.host_path = here;
    options.guest_path = there;
    manager_.copy(options);
  }
  void run_in_guest(std::vector<std::string> argv) {
    ExecOptions options;
    options.argv = std::move(argv);
    manager_.exec(vm_, options);
  }

  Manager& manager_;
  std::string vm_, folder_;
};

}  // namespace

void measure_copies(const Setting& setting, Manager& manager, const std::string& vm,
                    std::vector<Figure>& figures) {
  Copies copies(setting, manager, vm);
  const std::string small = fmt::format("cp of {} small files", kSmallFiles);
  figures.push_back(copies.in("cp of 100 MiB into the guest", "large", kOnDisk, 2000));
  figures.push_back(copies.out("cp of 100 MiB out of the guest", kOnDisk, 1500));
  figures.push_back(copies.in(small + " into the guest", "small", kOnDisk, 600));
  figures.push_back(copies.out(small + " out of the guest", kOnDisk, 400));
  figures.push_back(copies.in(small + " into the guest's memory", "small", kInMemory, std::nullopt));
}

}  // namespace knaller::bench
