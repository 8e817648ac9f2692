// A connection of knaller's to the agent: frames in, frames out, and the sessions that it has.
#ifndef KNALLER_AGENT_CONNECTION_H_
#define KNALLER_AGENT_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/hand_over.h"
#include "agent/loop.h"
#include "agent/session.h"
#include "channel/frame.h"
#include "channel/message.h"
#include "channel/session_entry.h"

namespace knaller::agent {

// What connections need of the agent. They call nothing of it while it calls them.
class Sessions {
 public:
  virtual ~Sessions() = default;
  // Knaller's greeting; it may tell that this is a clone by now.
  virtual void greet(const channel::Hello& hello) = 0;
  virtual std::shared_ptr<Session> begin(channel::ExecRequest request, std::function<void()> on_change) = 0;
  // Takes it from the connection that has it; nothing when there is none of that id.
  virtual std::shared_ptr<Session> take_over(const std::string& id, std::function<void()> on_change) = 0;
  // The connection that had it does not need it any more.
  enum class Parting {
    kDone,    // its client has said so, knowing its end or not wanting to
    kGone,    // with its connection, in order
    kBroken,  // it may come again
  };
  virtual void let_go(const std::shared_ptr<Session>& session, Parting parting) = 0;
  virtual std::vector<channel::SessionEntry> list() const = 0;
  // False: there is no session of that id whose program runs.
  virtual bool signal_session(const std::string& id, int number) = 0;
  // A process that has a connection instead of the agent.
  virtual void handed_over(pid_t process) = 0;
  virtual const Guest& guest() const = 0;
};

class Connection {
 public:
  // `on_end` is called once, from the loop; the connection is then to be destroyed.
  Connection(Loop& loop, int socket, Sessions& sessions, const channel::Hello& hello,
             std::function<void()> on_end);
  // Lets all of its sessions go.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The session is another connection's by now.
  void lose(const Session* session);

 private:
  void on_event(uint32_t events);
  bool read_frames();
  bool take(const channel::Frame& frame);
  bool take_open(const channel::Frame& frame);
  bool open(uint16_t stream, std::string_view payload);
  // What is to be done with the connection, from that stream on.
  using Work = std::function<int(int socket, const HandedOver& stream)>;
  void give_away(uint16_t stream, const Work& work);
  bool take_for(Session& session, const channel::Frame& frame);
  void tell_sessions(uint16_t stream);
  void finish(uint16_t stream, const channel::End& end);
  void refuse(uint16_t stream, int error, const std::string& reason);
  void wake();
  void flush();
  void fill();
  void end(bool broken);

  Loop& loop_;
  int socket_;
  Sessions& sessions_;
  std::function<void()> on_end_;
  channel::FrameReader reader_;
  bool greeted_ = false;
  std::string opening_;  // the payload of an open whose frames have not all come
  uint16_t opening_stream_ = 0;
  std::map<uint16_t, std::shared_ptr<Session>> streams_;
  uint16_t next_to_fill_ = 0;  // so that each stream gets its turn
  std::string out_;
  bool waiting_to_write_ = false;
  bool woken_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // for what the loop still holds of this
  bool ended_ = false;
  bool broken_ = false;
};

}  // namespace knaller::agent

#endif  // KNALLER_AGENT_CONNECTION_H_
