#include "image/debian_sources.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "base/error.h"
#include "base/text.h"

namespace knaller::image {
namespace {

constexpr std::string_view kRelease = "bookworm";

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t begin = text.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const size_t end = text.find_first_of(" \t\n");
    words.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end);
  }
  return words;
}

bool is_uri(std::string_view text) {
  static constexpr std::array<std::string_view, 4> kSchemes = {"http://", "https://", "file:/",
                                                               "mirror+http"};
  const bool known =
      std::ranges::any_of(kSchemes, [&](std::string_view scheme) { return text.starts_with(scheme); });
  return known && std::ranges::none_of(
                      text, [](char c) { return c <= ' ' || c == '"' || c == '[' || c == ']' || c == 0x7f; });
}

bool is_debian_release(std::string_view suite) {
  static constexpr std::array<std::string_view, 8> kReleases = {
      "bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "oldstable"};
  return std::ranges::find(kReleases, suite) != kReleases.end();
}

class Finder {
 public:
  void add(const std::vector<std::string_view>& uris, const std::vector<std::string_view>& suites,
           const std::vector<std::string_view>& components) {
    if (std::ranges::find(components, "main") == components.end()) return;
    for (const std::string_view uri : uris) {
      for (const std::string_view suite : suites) {
        const size_t hyphen = suite.find_first_of("-/");
        if (!is_uri(uri) || !is_debian_release(suite.substr(0, hyphen))) continue;
        if (hyphen == std::string_view::npos && archive_.empty()) archive_ = uri;
        if (suite.ends_with("-security") && security_.empty()) security_ = uri;
      }
    }
  }

  DebianMirrors result() const {
    DebianMirrors mirrors;
    if (!archive_.empty()) mirrors.archive = archive_;
    if (!security_.empty()) mirrors.security = security_;
    return mirrors;
  }

 private:
  std::string archive_;
  std::string security_;
};

// deb [option=value …] uri suite component…
void add_line(std::string_view line, Finder& finder) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words = words_of(line);
  if (words.empty() || words[0] != "deb") return;
  words.erase(words.begin());
  if (!words.empty() && words[0].starts_with('[')) {
    const auto end = std::ranges::find_if(words, [](std::string_view word) { return word.ends_with(']'); });
    if (end == words.end()) return;
    words.erase(words.begin(), end + 1);
  }
  if (words.size() >= 3) finder.add({words[0]}, {words[1]}, {words.begin() + 2, words.end()});
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

void add_stanza(std::map<std::string, std::string>& fields, Finder& finder) {
  const auto words = [&](const char* name) { return words_of(fields[name]); };
  const auto types = words("types");
  if (std::ranges::find(types, "deb") != types.end() && lower(trim(fields["enabled"])) != "no")
    finder.add(words("uris"), words("suites"), words("components"));
  fields.clear();
}

void add_deb822(std::string_view text, Finder& finder) {
  std::map<std::string, std::string> fields;
  std::string last;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with('#')) continue;
    if (trim(line).empty()) {
      add_stanza(fields, finder);
      last.clear();
    } else if (line[0] == ' ' || line[0] == '\t') {
      if (!last.empty()) fields[last] += " " + std::string(line);
    } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      last = lower(line.substr(0, colon));
      fields[last] = line.substr(colon + 1);
    }
  }
  add_stanza(fields, finder);
}

}  // namespace

DebianMirrors find_mirrors(const std::vector<SourcesFile>& files) {
  Finder finder;
  for (const SourcesFile& file : files) {
    if (file.deb822) {
      add_deb822(file.text, finder);
    } else {
      for (const std::string_view line : split(file.text, '\n')) add_line(line, finder);
    }
  }
  return finder.result();
}

std::string render_sources(const DebianMirrors& mirrors, const std::string& keyring) {
  return fmt::format(
      "deb [signed-by={0}] {1} {3} main\n"
      "deb [signed-by={0}] {1} {3}-updates main\n"
      "deb [signed-by={0}] {2} {3}-security main\n",
      keyring, mirrors.archive, mirrors.security, kRelease);
}

}  // namespace knaller::image
