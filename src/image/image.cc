#include "image/image.h"

#include <fcntl.h>

#include "base/enum_text.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "disk/check.h"
#include "image/record.h"
#include "store/fields.h"
#include "store/layout.h"
#include "store/names.h"
#include "store/usage.h"

namespace knaller::image {
namespace {

UniqueFd open_image(const store::Home& home, const std::string& name) {
  store::Name::parse(name, "image name");
  if (!home.has(store::Kind::kImage, name)) {
    throw Error(
        Code::kNotFound, fmt::format("there is no image '{}'", name),
        enum_from_text<BuildKind>(name) ? fmt::format("knaller image build {}", name) : "knaller image ls");
  }
  return home.open_entry(store::Kind::kImage, name);
}

// A file that the image must have, whole enough to be started from.
std::string require_file(int directory, const std::string& folder, const std::string& name,
                         bool file_system) {
  if (!stat_if_exists(directory, name)) fail(Code::kCorrupt, "the image has no '{}'", name);
  const UniqueFd file = open_untrusted(directory, name);
  try {
    if (file_system) disk::check_ext4(file.get(), name);
    if (name == layout::kKernel) disk::check_kernel(file.get(), name);
  } catch (const Error& error) {
    throw Error(Code::kCorrupt, error.message(), "make the image anew");
  }
  return folder + "/" + name;
}

Image read_image(const store::Home& home, const std::string& name) {
  const UniqueFd directory = open_image(home, name);
  const std::string folder = home.path_of(store::Kind::kImage, name);
  if (!stat_if_exists(directory.get(), layout::kImageRecord))
    fail(Code::kCorrupt, "the image has no '{}'", layout::kImageRecord);
  const Record record =
      parse_record(store::read_own_record(directory.get(), layout::kImageRecord), layout::kImageRecord);
  if (record.name != name)
    fail(Code::kCorrupt, "'{}' is of an image named otherwise: '{}'", layout::kImageRecord, record.name);
  Image image;
  image.kernel = require_file(directory.get(), folder, layout::kKernel, false);
  (record.overlay ? image.base : image.rootfs) =
      require_file(directory.get(), folder, record.overlay ? layout::kBase : layout::kRootfs, true);
  // Images of an earlier version have none.
  if (record.overlay && stat_if_exists(directory.get(), layout::kDisk))
    image.empty_disk = require_file(directory.get(), folder, layout::kDisk, true);
  if (record.overlay || stat_if_exists(directory.get(), layout::kInitrd))
    image.initramfs = require_file(directory.get(), folder, layout::kInitrd, false);
  image.default_disk_mib = record.overlay ? record.disk_mib : 0;
  image.info = {.name = name,
                .created_at = record.created_at,
                .kernel_version = record.kernel_version,
                .source = record.kind,
                .allocated_bytes = store::allocated_in(directory.get()),
                .has_base = record.overlay,
                .guest_protocol = record.guest_protocol,
                .broken = {},
                .directory = folder};
  return image;
}

}  // namespace

Image load(const store::Home& home, const std::string& name) {
  return in_context([&] { return fmt::format("open the image '{}'", name); },
                    [&] { return read_image(home, name); });
}

std::vector<Image> list(const store::Home& home) {
  std::vector<Image> images;
  for (const std::string& name : home.entries(store::Kind::kImage)) {
    try {
      images.push_back(read_image(home, name));
    } catch (const Error& error) {
      if (error.code() == Code::kNotFound) continue;  // removed meanwhile
      Image broken;
      broken.info.name = name;
      broken.info.broken = error.what();
      broken.info.directory = home.path_of(store::Kind::kImage, name);
      images.push_back(std::move(broken));
    }
  }
  return images;
}

std::string inspect_json(const store::Home& home, const std::string& name) {
  const UniqueFd directory = open_image(home, name);
  const auto text = read_file_if_exists(directory.get(), layout::kImageRecord);
  if (!text) fail(Code::kCorrupt, "the image '{}' has no '{}'", name, layout::kImageRecord);
  Json json = parse_json(*text, layout::kImageRecord);
  Json files = Json::object();
  for (const std::string& file : list_directory(directory.get())) {
    const auto info = stat_if_exists(directory.get(), file);
    if (info && S_ISREG(info->st_mode))
      files[file] = {{"size", info->st_size},
                     {"allocated_bytes", static_cast<int64_t>(info->st_blocks) * 512}};
  }
  json["files"] = std::move(files);
  json["directory"] = home.path_of(store::Kind::kImage, name);
  return dump_json(json, 2);
}

}  // namespace knaller::image
