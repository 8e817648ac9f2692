#include "store/cpu.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

namespace knaller::store {
namespace {

// What programs in a guest look for once and then use. The other flags tell of the kernel, of power and of
// mitigations; they differ between kernels on one and the same processor.
constexpr std::array<std::string_view, 68> kInstructionSets{"3dnowprefetch",
                                                            "abm",
                                                            "adx",
                                                            "aes",
                                                            "amx_bf16",
                                                            "amx_int8",
                                                            "amx_tile",
                                                            "avx",
                                                            "avx2",
                                                            "avx512_4fmaps",
                                                            "avx512_4vnniw",
                                                            "avx512_bf16",
                                                            "avx512_bitalg",
                                                            "avx512_fp16",
                                                            "avx512_vbmi2",
                                                            "avx512_vnni",
                                                            "avx512_vp2intersect",
                                                            "avx512_vpopcntdq",
                                                            "avx512bw",
                                                            "avx512cd",
                                                            "avx512dq",
                                                            "avx512er",
                                                            "avx512f",
                                                            "avx512ifma",
                                                            "avx512pf",
                                                            "avx512vbmi",
                                                            "avx512vl",
                                                            "avx_vnni",
                                                            "bmi1",
                                                            "bmi2",
                                                            "cldemote",
                                                            "clflushopt",
                                                            "clwb",
                                                            "clzero",
                                                            "cx16",
                                                            "enqcmd",
                                                            "erms",
                                                            "f16c",
                                                            "fma",
                                                            "fma4",
                                                            "fsgsbase",
                                                            "fsrm",
                                                            "gfni",
                                                            "hle",
                                                            "invpcid",
                                                            "lahf_lm",
                                                            "movbe",
                                                            "movdir64b",
                                                            "movdiri",
                                                            "pcid",
                                                            "pclmulqdq",
                                                            "pku",
                                                            "popcnt",
                                                            "rdpid",
                                                            "rdrand",
                                                            "rdseed",
                                                            "rtm",
                                                            "serialize",
                                                            "sha_ni",
                                                            "sse4_1",
                                                            "sse4_2",
                                                            "sse4a",
                                                            "ssse3",
                                                            "vaes",
                                                            "vpclmulqdq",
                                                            "wbnoinvd",
                                                            "xsavec",
                                                            "xsaves"};
static_assert(std::is_sorted(kInstructionSets.begin(), kInstructionSets.end()));

}  // namespace

CpuIdentity host_cpu() {
  // One processor's paragraph is some 3 KiB; on large hosts all of them take milliseconds.
  std::array<char, 16 << 10> buffer;
  const UniqueFd file = open_at(AT_FDCWD, "/proc/cpuinfo", O_RDONLY);
  const size_t size = read_up_to(file.get(), buffer.data(), buffer.size(), "/proc/cpuinfo");
  return parse_cpu({buffer.data(), size});
}

CpuIdentity parse_cpu(std::string_view cpuinfo) {
  CpuIdentity cpu;
  for (const std::string_view line : split(cpuinfo, '\n')) {
    if (line.empty()) break;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (key == "vendor_id") cpu.vendor = value;
    if (key == "model name") cpu.name = value;
    if (key == "cpu family") cpu.family = parse_integer(value, 0, 1 << 20).value_or(0);
    if (key == "model") cpu.model = parse_integer(value, 0, 1 << 20).value_or(0);
    if (key == "flags") cpu.features = value;
  }
  return cpu;
}

bool has_feature(const CpuIdentity& cpu, std::string_view feature) {
  const auto features = split(cpu.features, ' ');
  return std::find(features.begin(), features.end(), feature) != features.end();
}

std::vector<std::string> missing_features(const CpuIdentity& there, const CpuIdentity& here) {
  std::vector<std::string> missing;
  const auto ours = split(here.features, ' ');
  for (const std::string_view feature : split(there.features, ' '))
    if (std::binary_search(kInstructionSets.begin(), kInstructionSets.end(), feature) &&
        std::find(ours.begin(), ours.end(), feature) == ours.end())
      missing.emplace_back(feature);
  return missing;
}

Json cpu_to_json(const CpuIdentity& cpu) {
  Json json{{"vendor", cpu.vendor}, {"family", cpu.family}, {"model", cpu.model}, {"name", cpu.name}};
  if (!cpu.features.empty()) json["features"] = cpu.features;
  return json;
}

CpuIdentity cpu_from_json(const Json& json, const std::string& what) {
  const JsonReader reader(json, what);
  return {reader.string_or("vendor", ""), reader.integer_or("family", 0, 0, 1 << 20),
          reader.integer_or("model", 0, 0, 1 << 20), reader.string_or("name", ""),
          reader.string_or("features", "")};
}

}  // namespace knaller::store
