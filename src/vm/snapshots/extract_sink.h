// Where files that are taken out of a snapshot's disk go: a folder, or a tar stream.
//
// Owners of files in a folder are the caller's. Set-user-id, set-group-id and sticky bits are dropped in
// both.
#ifndef KNALLER_VM_SNAPSHOTS_EXTRACT_SINK_H_
#define KNALLER_VM_SNAPSHOTS_EXTRACT_SINK_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/confined_tree.h"
#include "disk/ext4_reader.h"

namespace knaller::vm {

class ExtractSink {
 public:
  // Fills the buffer from a stretch of the file, starting at `skip`.
  using Read = std::function<void(const disk::Stretch&, uint64_t skip, char* buffer, size_t size)>;

  virtual ~ExtractSink() = default;
  virtual void directory(const PathParts& path, const disk::FileInfo& info) = 0;
  virtual void file(const PathParts& path, const disk::FileInfo& info, const std::vector<disk::Stretch>& data,
                    const Read& read) = 0;
  virtual void symlink(const PathParts& path, const disk::FileInfo& info, const std::string& target) = 0;
  // To a file of this sink.
  virtual void hard_link(const PathParts& path, const PathParts& existing) = 0;
  virtual void finish() = 0;
};

// `folder` is made when it is not there.
std::unique_ptr<ExtractSink> make_folder_sink(const std::string& folder);
std::unique_ptr<ExtractSink> make_tar_sink(const std::function<void(std::string_view)>& write);

}  // namespace knaller::vm

#endif  // KNALLER_VM_SNAPSHOTS_EXTRACT_SINK_H_
