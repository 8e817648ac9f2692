// A little room on the private disk that is kept for the boot: an overlay can't be mounted for writing where
// no inode or block is left, and whoever filled the disk could never empty it again.
#ifndef KNALLER_IMAGE_GUEST_RESERVE_H_
#define KNALLER_IMAGE_GUEST_RESERVE_H_

#include <string>

namespace knaller::guest_helper {

// Makes what is missing; on a full disk it stays smaller.
void keep_reserve(const std::string& disk);
void give_up_reserve(const std::string& disk);

}  // namespace knaller::guest_helper

#endif  // KNALLER_IMAGE_GUEST_RESERVE_H_
