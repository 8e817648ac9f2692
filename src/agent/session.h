// One program that runs in the guest for somebody outside, with what has come from it and was not yet used
// up. A session belongs to a connection, and may be taken over by another one: bytes that were on their way
// are sent again.
#ifndef KNALLER_AGENT_SESSION_H_
#define KNALLER_AGENT_SESSION_H_

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "agent/loop.h"
#include "agent/program.h"
#include "channel/flow.h"
#include "channel/frame.h"
#include "channel/message.h"
#include "channel/session_entry.h"

namespace knaller::agent {

class Session {
 public:
  // `on_change`: there may be something to fill() a connection with.
  Session(Loop& loop, channel::ExecRequest request, std::function<void()> on_change);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // A program that can't be started is a session that has ended already.
  void start(const Guest& guest);

  const std::string& id() const { return request_.session; }
  // It was begun, and outlives its client.
  bool is_detached() const { return request_.detached && group_ >= 0; }
  bool has_ended() const { return end_.has_value(); }
  // What is told of it; without its id and whether a connection has it, which its holder knows.
  channel::SessionEntry entry() const;
  pid_t pid() const { return pid_; }  // -1: it has ended, or was never started

  // What knaller sends. False: no honest one sends that.
  bool take_input(std::string_view bytes);
  void end_input();
  bool allow(channel::Channel channel, uint64_t position);
  void take(const channel::Event& event);
  // On another connection, which has that much.
  bool resume(const channel::AttachRequest& request);
  // No connection has it, or one does again. Of a detached one what nobody receives is lost, the oldest
  // first.
  void set_alone(bool alone);

  // Appends frames for that stream, of at most about `most` bytes. False: there is nothing more for now.
  bool fill(std::string& out, uint16_t stream, size_t most);
  // The end was told, and everything before it.
  bool is_told() const { return end_told_; }

  // Its process has ended so (waitpid(2)).
  void on_exit(int status);
  // To its process group; nothing once the program has ended.
  void signal(int number) const;

 private:
  struct Output {
    int fd = -1;
    channel::Sender flow;
    bool end_told = false;
  };
  bool open_pipes(Program* program);
  bool open_terminal(Program* program);
  void watch_all();
  void read_from(Output& output);
  void write_input();
  void close_input();
  void close_output(Output& output);
  void fail(int error, const std::string& what);
  bool fill_output(std::string& out, uint16_t stream, channel::Channel channel, size_t most);
  Output* output_of(channel::Channel channel);

  Loop& loop_;
  channel::ExecRequest request_;
  std::function<void()> on_change_;
  pid_t pid_ = -1;
  pid_t group_ = -1;
  bool start_told_ = false;
  int input_ = -1;
  channel::Receiver input_flow_;
  std::string pending_;  // input that the program has not taken yet
  bool input_ended_ = false;
  Output output_;
  Output error_;
  bool position_due_ = false;  // after a resume
  // After one of a connection that has nothing yet: where it begins.
  std::optional<uint64_t> output_begin_, error_begin_;
  bool alone_ = false;
  uint64_t started_at_ = 0;  // seconds since 1970
  std::optional<channel::End> end_;
  bool end_told_ = false;
};

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_SESSION_H_
