// Runs a target, LLVMFuzzerTestOneInput, without a fuzzer's runtime: over every file of its corpus first,
// then over changed ones for so many seconds, and so many inputs.
//
//   fuzz_NAME CORPUS [--seconds N] [--inputs N] [--seed N]    both many and long; what a target dies of is
//   written into ./fuzz-NAME.crash fuzz_NAME FILE                               that input alone
//
// The seed is printed. The target shares the form with libFuzzer's, which may be linked instead of this file.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "target.h"

// Of the sanitizers' runtime, where there is one.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

constexpr unsigned kSlowestSeconds = 20;
constexpr size_t kLargestInput = 1 << 20;

std::string current_input;  // NOLINT: for the handlers
std::string crash_file;     // NOLINT

void keep_input() {
  const int fd = ::open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (::write(fd, current_input.data(), current_input.size()) < 0) return;
  ::close(fd);
  constexpr char kText[] = "fuzz: the input is kept in the .crash file in this folder\n";
  if (::write(STDERR_FILENO, kText, sizeof kText - 1) < 0) return;
}

void on_signal(int number) {
  keep_input();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

void run_one(const std::string& input) {
  current_input = input;
  ::alarm(kSlowestSeconds);
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current_input.data()), current_input.size());
  ::alarm(0);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, uint64_t seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string input = corpus_[below(corpus_.size())];
    for (size_t left = 1 + below(6); left > 0; --left) change(input);
    if (input.size() > kLargestInput) input.resize(kLargestInput);
    return input;
  }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  ptrdiff_t place(const std::string& input) { return static_cast<ptrdiff_t>(below(input.size() + 1)); }

  void change(std::string& input) {
    switch (below(8)) {
      case 0:
        if (!input.empty()) input[below(input.size())] ^= static_cast<char>(1 << below(8));
        return;
      case 1:
        if (!input.empty()) input[below(input.size())] = static_cast<char>(below(256));
        return;
      case 2:
        input.insert(input.begin() + place(input), 1 + below(16), static_cast<char>(below(256)));
        return;
      case 3: {
        const size_t at = below(input.size() + 1);
        input.erase(at, 1 + below(64));
        return;
      }
      case 4:
        input.resize(below(input.size() + 1));
        return;
      case 5:
        return splice(input);
      case 6:
        return number(input);
      default:
        return word(input);
    }
  }

  // A piece of this or another input, put somewhere.
  void splice(std::string& input) {
    const std::string other = below(2) == 0 ? input : corpus_[below(corpus_.size())];
    const size_t from = below(other.size() + 1);
    input.insert(below(input.size() + 1), other.substr(from, 1 + below(600)));
  }

  // A decimal number that is there becomes another one.
  void number(std::string& input) {
    static const char* const kNumbers[] = {"0",
                                           "1",
                                           "-1",
                                           "511",
                                           "512",
                                           "4194304",
                                           "4294967295",
                                           "4294967296",
                                           "9223372036854775807",
                                           "18446744073709551615",
                                           "99999999999999999999999",
                                           "1e999",
                                           ""};
    const size_t from = input.find_first_of("0123456789", below(input.size() + 1));
    if (from == std::string::npos) return;
    const size_t end = std::min(input.find_first_not_of("0123456789", from), input.size());
    input.replace(from, end - from, kNumbers[below(std::size(kNumbers))]);
  }

  // Four or eight bytes that lengths and offsets are made of.
  void word(std::string& input) {
    static constexpr uint64_t kWords[] = {0,          1,          0x7fffffff,         0x80000000,
                                          0xffffffff, 0xfffffff0, 0x7fffffffffffffff, 0xffffffffffffffff};
    const uint64_t value = kWords[below(std::size(kWords))];
    const size_t size = below(2) == 0 ? 4 : 8;
    if (input.size() < size) return;
    std::memcpy(input.data() + below(input.size() - size + 1), &value, size);
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_;
};

std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) corpus.push_back(read_file(path));
  return corpus;
}

int fuzz(const std::filesystem::path& folder, double seconds, uint64_t inputs, uint64_t seed) {
  const std::vector<std::string> corpus = read_corpus(folder);
  if (corpus.empty()) {
    std::fprintf(stderr, "fuzz: there is nothing in %s\n", folder.c_str());
    return 2;
  }
  for (const std::string& input : corpus) run_one(input);
  std::printf("fuzz: %zu inputs of the corpus; seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  Mutator mutator(corpus, seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t count = 0;
  for (; std::chrono::steady_clock::now() < end || count < inputs; ++count) run_one(mutator.next());
  std::printf("fuzz: %llu changed ones\n", static_cast<unsigned long long>(count));
  return count > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS|FILE [--seconds N] [--inputs N] [--seed N]\n", argv[0]);
    return 2;
  }
  crash_file = std::filesystem::path(argv[0]).filename().string() + ".crash";
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) ::signal(number, on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_input);
  double seconds = 3;
  uint64_t inputs = 0;
  uint64_t seed = std::random_device()();
  for (int at = 2; at + 1 < argc; at += 2) {
    if (std::string(argv[at]) == "--seconds") seconds = std::atof(argv[at + 1]);
    if (std::string(argv[at]) == "--inputs") inputs = std::strtoull(argv[at + 1], nullptr, 10);
    if (std::string(argv[at]) == "--seed") seed = std::strtoull(argv[at + 1], nullptr, 10);
  }
  if (std::filesystem::is_directory(argv[1])) return fuzz(argv[1], seconds, inputs, seed);
  run_one(read_file(argv[1]));
  return 0;
}
