#pragma once
#include <knaller/manager.h>

#include <string>

// The number of VMs and snapshots of a home.
size_t count_everything(knaller::Manager& manager);
// The error that asking for an absent VM gives; "" when it gives none.
std::string ask_for(knaller::Manager& manager, const std::string& name);
