// inspect, snapshot inspect, image inspect: everything known, as JSON, whether --json is given or not.
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/view.h"

namespace knaller::cli {
namespace {

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
