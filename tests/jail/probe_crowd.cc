// As many threads as the kernel gives, which stay until somebody ends them.
#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "probe.h"

namespace probe {
namespace {

constexpr int kEnough = 4000;
constexpr size_t kStack = 64 << 10;

void* stay(void*) {
  for (;;) pause();
}

}  // namespace

int crowd() {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  int threads = 1;
  int error = 0;
  while (threads < kEnough) {
    pthread_t thread;
    error = pthread_create(&thread, &attributes, stay, nullptr);
    if (error != 0) break;
    ++threads;
  }
  std::printf("probe: a crowd of %d threads (%s)\n", threads,
              error == 0 ? "no limit" : strerrorname_np(error));
  stay(nullptr);
  return 0;
}

}  // namespace probe
