// Package natstest runs clusters of NATS servers for tests, because the
// conversation between kiosk and hub must outlive the loss of a broker's node.
//
// It stands beside the line: internal/e2e uses it. Each Node is a process of its
// own, built from the very module that hub/broker embeds, speaks MQTT on a free
// port of the loopback interface, and keeps its streams in three copies. It ends
// with its test, its log is shown when the test fails, and nothing survives it.
// The package must not know kiosks or hubs.
package natstest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sourire/internal/link"
)

// startTimeout bounds a start: the nodes must find each other and elect leaders.
const startTimeout = 60 * time.Second

// Node is a server that can be ended and started again.
type Node struct {
	tb      testing.TB
	program string
	dir     string
	port    int // MQTT

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// Cluster is nodes that know each other.
type Cluster []*Node

// Start runs a cluster of three nodes until the test ends.
func Start(tb testing.TB) Cluster {
	tb.Helper()
	const nodes = 3
	program := filepath.Join(tb.TempDir(), "nats-server")
	build := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("natstest: build the server: %v\n%s", err, out)
	}
	ports := freePorts(tb, 2*nodes)
	routes := make([]string, nodes)
	for i := range routes {
		routes[i] = fmt.Sprintf("nats://127.0.0.1:%d", ports[nodes+i])
	}
	var c Cluster
	for i := range nodes {
		n := &Node{tb: tb, program: program, dir: tb.TempDir(), port: ports[i]}
		config := fmt.Sprintf(`server_name: node%d
host: 127.0.0.1
port: -1
jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 1GB }
cluster { name: sourire, host: 127.0.0.1, port: %d, routes: [%s] }
mqtt { host: 127.0.0.1, port: %d }
`, i, n.path("jetstream"), ports[nodes+i], strings.Join(routes, ", "), n.port)
		if err := os.WriteFile(n.path("conf"), []byte(config), 0o600); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			n.Kill()
			if log, err := os.ReadFile(n.path("log")); tb.Failed() && err == nil {
				tb.Logf("node %d said:\n%s", i, log[max(0, len(log)-4000):])
			}
		})
		n.Start()
		c = append(c, n)
	}
	for _, n := range c {
		n.Await()
	}
	return c
}

// URL names all nodes.
func (c Cluster) URL() string {
	var addrs []string
	for _, n := range c {
		addrs = append(addrs, n.Addr())
	}
	return "mqtt://" + strings.Join(addrs, ",")
}

// Addr is host:port.
func (n *Node) Addr() string { return fmt.Sprintf("127.0.0.1:%d", n.port) }

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }

// Start runs the node, which must not run, and does not wait for it.
func (n *Node) Start() {
	n.tb.Helper()
	log, err := os.OpenFile(n.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.tb.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(n.program, "-c", n.path("conf"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed takes it along
	if err := cmd.Start(); err != nil {
		n.tb.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { // awaited by Kill
		_ = cmd.Wait()
		close(exited)
	}()
	n.cmd, n.exited = cmd, exited
}

// Await returns when the node takes clients, for which most of the nodes must be
// there.
func (n *Node) Await() {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := link.Dial(ctx, link.Options{Address: "mqtt://" + n.Addr(), ClientID: "natstest", ConnectTimeout: 5 * time.Second})
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-n.exited:
			n.tb.Fatalf("natstest: a node has ended: %v", n.cmd.ProcessState)
		case <-ctx.Done():
			n.tb.Fatalf("natstest: a node takes no clients: %v", err)
		case <-tick.C:
		}
	}
}

// Kill ends the node as a power cut would. Killing twice is fine.
func (n *Node) Kill() {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Kill() // it may have ended by itself
	<-n.exited
	n.cmd = nil
}

// freePorts looks below the ports that the kernel gives to outgoing connections:
// there, a client that dials a stopped server can meet itself.
func freePorts(tb testing.TB, n int) []int {
	tb.Helper()
	var ports []int
	for range 100 * n {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() // held until all are found, so that none is taken twice
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	tb.Fatal("natstest: no free ports between 20000 and 32000")
	return nil
}
