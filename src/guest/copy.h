// Files and folders to and from a guest, as a tar stream over one command; busybox's tar in the guest will
// do.
//
// Names mean what they mean to `docker cp` and `scp -r`: into an existing folder under the source's name,
// otherwise as the target; a source folder that ends in "/." gives its contents alone. Modes and times (whole
// seconds) are kept; links stay links, the source itself too unless its name ends in "/"; an existing target
// that is a link to a file is written through. What comes from the guest is the user's own, without
// set-user-id and the like, and under the user's umask; what goes in belongs to the guest's user.
//
// A copy adds and replaces files. Folders, and links to folders, that are there already stay what they are,
// with their modes and owners; devices, pipes and sockets, and links to them, are never replaced.
#ifndef KNALLER_GUEST_COPY_H_
#define KNALLER_GUEST_COPY_H_

#include <string>

#include "base/deadline.h"
#include "guest/session.h"
#include "guest/tar.h"

namespace knaller::guest {

// kNotFound: the source, or the folder of the target, is not there. kAlreadyExists: something would take the
// place of what no copy replaces; nothing was sent then. kUnsupported: the guest has no tar. A copy that
// failed half-way leaves what it had made.
CopySummary copy_to_guest(Session& session, const std::string& host_path, const std::string& guest_path,
                          const CopyProgress& progress, const Deadline& deadline);
// The guest may send what it likes: nothing outside the target is read, made or changed, and what it had
// called a file does not arrive as a link (kCorrupt). kAlreadyExists may come half-way here, at the entry in
// question.
CopySummary copy_from_guest(Session& session, const std::string& guest_path, const std::string& host_path,
                            const CopyProgress& progress, const Deadline& deadline);

}  // namespace knaller::guest

#endif  // KNALLER_GUEST_COPY_H_
