package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"sourire/internal/feedback"
)

// A node is a kiosk or a hub in a process of its own, so that it can be killed.
// It is the shipped core, composed by kiosk/app or hub/app; only the wrappers
// that inject the faults are the test's. The parent speaks to it by lines of
// JSON: an order, a reply.

// nodeSpec is what a node is told in its environment.
type nodeSpec struct {
	Role   string // "kiosk" or "hub"
	Data   string
	Broker string // hub: where to listen, or mqtt://… of an external one
	Link   string // through which proxy to dial
	Kiosk  feedback.KioskID
	Now    int64  // device time, milliseconds
	Defect string // a deliberate defect
}

// Deliberate defects: each must turn the table red.
const (
	answerBeforeCommit = "answer before commit"
	markByPuback       = "mark moved by PUBACK"
	blindIncrement     = "blind increment of a roll-up"
)

// order is what the parent asks of a node.
type order struct {
	Do    string // "press", "status", "arm", "twin", "stop"
	Since int64  // press: device time
	Fault fault  // arm
}

// fault is a fault at a write point inside a node.
type fault struct {
	On   bool
	Mode mode
	Kill bool // SIGKILL there
}

// reply is what a node says.
type reply struct {
	Err    string        `json:",omitempty"`
	Web    string        `json:",omitempty"`
	Hits   int           // how often the armed fault has acted
	Epochs []epochStatus `json:",omitempty"`
	// Settled says that the kiosk has heard, on its present connection, that
	// the hub has everything.
	Settled bool
	Body    *json.RawMessage `json:",omitempty"`
}

// epochStatus is an epoch as a kiosk holds it.
type epochStatus struct {
	ID    feedback.Epoch
	Next  feedback.Seq
	Acked feedback.Seq // the kiosk's mark: what it believes the hub to have
}

// node is a running process, seen from the parent.
type node struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

const nodeEnv = "SOURIRE_E2E_NODE"

func TestMain(m *testing.M) {
	if spec := os.Getenv(nodeEnv); spec != "" {
		var s nodeSpec
		if err := json.Unmarshal([]byte(spec), &s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		os.Exit(runNode(s))
	}
	os.Exit(m.Run())
}

// runNode is the child's main.
func runNode(s nodeSpec) int {
	var serve func(nodeSpec, func(reply), <-chan order) error
	switch s.Role {
	case "kiosk":
		serve = kioskNode
	case "hub":
		serve = hubNode
	}
	orders := make(chan order)
	go func() {
		defer close(orders)
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			var o order
			if json.Unmarshal(in.Bytes(), &o) == nil {
				orders <- o
			}
		}
	}()
	say := func(r reply) {
		b, _ := json.Marshal(r)
		fmt.Printf("%s\n", b)
	}
	if err := serve(s, say, orders); err != nil {
		say(reply{Err: err.Error()})
		return 1
	}
	return 0
}

// startNode starts a process and waits until it is ready.
func startNode(t testing.TB, s nodeSpec) (*node, reply) {
	t.Helper()
	spec, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nodeEnv+"="+string(spec), "GOMAXPROCS=2")
	log, err := os.OpenFile(s.Data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &node{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(n.kill)
	r, alive := n.read()
	if !alive || r.Err != "" {
		t.Fatalf("%s did not start: %s", s.Role, r.Err)
	}
	return n, r
}

func (n *node) read() (r reply, alive bool) {
	if !n.out.Scan() {
		return r, false
	}
	if err := json.Unmarshal(n.out.Bytes(), &r); err != nil {
		r.Err = "reply " + string(n.out.Bytes()) + ": " + err.Error()
	}
	return r, true
}

// ask gives an order and waits for the reply; alive is false when the node died
// of it.
func (n *node) ask(o order) (r reply, alive bool) {
	b, _ := json.Marshal(o)
	if _, err := n.in.Write(append(b, '\n')); err != nil {
		return r, false
	}
	return n.read()
}

// kill ends the process as a power cut would.
func (n *node) kill() {
	if n.cmd.ProcessState == nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
	}
}

// stop ends the process politely.
func (n *node) stop(t testing.TB) {
	t.Helper()
	if r, alive := n.ask(order{Do: "stop"}); alive && r.Err != "" {
		t.Errorf("stop: %s", r.Err)
	}
	_ = n.in.Close()
	done := make(chan struct{})
	go func() { _ = n.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("a node did not stop within 20 s")
		_ = n.cmd.Process.Kill()
		<-done
	}
}

// die is the end of a process at a named write point.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
