// ls, inspect, and the same of snapshots and images. inspect prints JSON, whether --json is given or not.
#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

// A wrong --format is told of even when there is nothing to list.
template <typename Info>
void print_formatted(Output& out, const std::string& format, const std::vector<Info>& things) {
  const SystemTime now = std::chrono::system_clock::now();
  const Format parsed(format, fields_of(Info{}, now));
  std::vector<Fields> rows;
  for (const Info& thing : things) rows.push_back(fields_of(thing, now));
  out.raw(parsed.render(rows, out.out().terminal));
}

template <typename Info>
Json json_list(const std::vector<Info>& things) {
  Json list = Json::array();
  for (const Info& thing : things) list.push_back(to_json(thing));
  return list;
}

// What the library knows beyond the documented members is added to them, never instead of them.
Json merged(const std::string& everything, Json documented) {
  Json all = parse_json(everything, "the library's answer", Code::kInternal);
  if (!all.is_object()) all = Json::object();
  all.update(documented);
  return all;
}

int inspect(Context& context, const std::vector<std::string>& names,
            const std::function<Json(const std::string&)>& look) {
  if (names.size() == 1) {
    context.out().document(look(names[0]));
    return 0;
  }
  return document_of_each_name(context, names, look);
}

}  // namespace

int cmd_ls(Context& context) {
  const Invocation& args = context.args();
  Output& out = context.out();
  std::vector<VmInfo> vms = context.manager().list({.stopped_in_full = args.has("all")});
  const size_t all = vms.size();
  if (!args.has("all")) std::erase_if(vms, [](const VmInfo& vm) { return vm.state == VmState::kStopped; });
  if (out.json()) {
    out.document({{"vms", json_list(vms)}});
    return 0;
  }
  if (const auto format = args.get<std::string>("format")) {
    print_formatted(out, *format, vms);
  } else if (out.quiet()) {
    for (const VmInfo& vm : vms) out.result(vm.name);
  } else {
    out.raw(vm_table(vms, std::chrono::system_clock::now()));
  }
  if (all != vms.size() && out.err().terminal)
    out.note(fmt::format("{} stopped; `knaller ls -a` shows {}", all - vms.size(),
                         all - vms.size() == 1 ? "it" : "them"));
  return 0;
}

int cmd_snapshot_ls(Context& context) {
  Output& out = context.out();
  const auto rules = context.args().all<SnapshotRule>("filter");
  std::vector<SnapshotInfo> snapshots = context.manager().list_snapshots();
  std::erase_if(snapshots, [&](const SnapshotInfo& snapshot) {
    return std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return !rule.matches(snapshot); });
  });
  if (out.json()) {
    out.document({{"snapshots", json_list(snapshots)}});
  } else if (const auto format = context.args().get<std::string>("format")) {
    print_formatted(out, *format, snapshots);
  } else if (out.quiet()) {
    for (const SnapshotInfo& snapshot : snapshots) out.result(snapshot.id);
  } else {
    out.raw(snapshot_table(snapshots, std::chrono::system_clock::now()));
  }
  return 0;
}

int cmd_image_ls(Context& context) {
  Output& out = context.out();
  const std::vector<ImageInfo> images = context.manager().list_images();
  if (out.json()) {
    out.document({{"images", json_list(images)}});
  } else if (const auto format = context.args().get<std::string>("format")) {
    print_formatted(out, *format, images);
  } else if (out.quiet()) {
    for (const ImageInfo& image : images) out.result(image.name);
  } else {
    out.raw(image_table(images, std::chrono::system_clock::now()));
  }
  return 0;
}

int cmd_inspect(Context& context) {
  const auto names = named_vms(context, [](const VmInfo&) { return true; });
  return inspect(context, names, [&context](const std::string& name) {
    check_vm_name(name);
    Json json;
    suggest_vm(context, name, [&] {
      Manager& manager = context.manager();
      json = merged(manager.inspect_json(name), to_json(manager.inspect(name)));
    });
    return json;
  });
}

int cmd_snapshot_inspect(Context& context) {
  return inspect(context, context.args().arguments, [&context](const std::string& id) {
    Json json;
    suggest_snapshot(context, id, [&] {
      Manager& manager = context.manager();
      json = merged(manager.inspect_snapshot_json(id), to_json(manager.inspect_snapshot(id)));
    });
    return json;
  });
}

int cmd_image_inspect(Context& context) {
  return inspect(context, context.args().arguments, [&context](const std::string& name) {
    Json json;
    suggest_image(context, name, [&] {
      Manager& manager = context.manager();
      json = merged(manager.inspect_image_json(name), to_json(manager.inspect_image(name)));
    });
    return json;
  });
}

}  // namespace knaller::cli
