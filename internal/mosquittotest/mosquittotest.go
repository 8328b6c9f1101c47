// Package mosquittotest runs Debian's Mosquitto for tests, because the
// conversation between kiosk and hub must work on a broker that is not ours.
//
// It stands beside the line: internal/link and internal/e2e use it. Each Broker
// is a process of its own on a free port of the loopback interface; it ends
// with its test, and its log is shown when the test fails. Nothing survives it
// unless Options ask for persistence, and then only until the test ends. It
// must not know kiosks or hubs, only who may say what on which topic.
package mosquittotest

import (
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

	"sourire/internal/transcript"
)

// startTimeout bounds a start, stopTimeout a polite end.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
)

// User is somebody who may connect.
type User struct {
	Name, Password string

	// Hub lets the user read and write everything under sourire/. Any other
	// user is a kiosk and gets the topics of the kiosk of its name.
	Hub bool
}

// Options configure a broker. The zero value lets everybody do everything.
type Options struct {
	// Users close the door to everybody else.
	Users []User

	// Persistence keeps retained messages across Restart.
	Persistence bool

	// MaxPacketSize disconnects clients that send larger packets; 0 is no limit.
	MaxPacketSize int

	// CertFile and KeyFile make the port speak TLS only. ClientCAFile asks for
	// client certificates that it has signed.
	CertFile, KeyFile, ClientCAFile string
}

// Broker is a Mosquitto process that can be ended and started again.
type Broker struct {
	tb      testing.TB
	program string
	dir     string
	port    int
	options Options

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	log    *transcript.Buffer
}

// Start runs a broker until the test ends. Without the program it skips the
// test, or fails it where CI=true.
func Start(tb testing.TB, o Options) *Broker {
	tb.Helper()
	b := &Broker{tb: tb, program: find(tb), dir: tb.TempDir(), options: o, log: new(transcript.Buffer)}
	tb.Cleanup(func() {
		b.Stop()
		if tb.Failed() {
			tb.Logf("mosquitto said:\n%s", b.log)
		}
	})
	var err error
	for range 10 { // somebody else may take a port between the look and the start
		b.port = freePort(tb)
		if err = b.start(); err == nil {
			return b
		}
	}
	tb.Fatalf("mosquittotest: %v; its log:\n%s", err, b.log)
	return nil
}

// Addr is host:port.
func (b *Broker) Addr() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// URL is Addr with the scheme that the broker's port speaks.
func (b *Broker) URL() string {
	if b.options.CertFile != "" {
		return "mqtts://" + b.Addr()
	}
	return "mqtt://" + b.Addr()
}

// Stop ends the broker politely; it publishes no wills then. Stopping twice is
// fine.
func (b *Broker) Stop() { b.end(syscall.SIGTERM) }

// Kill ends the broker as a power cut would.
func (b *Broker) Kill() { b.end(syscall.SIGKILL) }

// Restart stops the broker if it runs, and starts it on the same port.
func (b *Broker) Restart() {
	b.tb.Helper()
	b.Stop()
	if err := b.start(); err != nil {
		b.tb.Fatalf("mosquittotest: restart: %v; its log:\n%s", err, b.log)
	}
}

func (b *Broker) end(s syscall.Signal) {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Signal(s) // it may have ended by itself
	select {
	case <-b.exited:
	case <-time.After(stopTimeout):
		_ = b.cmd.Process.Kill()
		<-b.exited
	}
	b.cmd = nil
}

// running is what the program logs once it has opened its port.
const running = " running\n"

// start runs the program and returns when its port answers.
func (b *Broker) start() error {
	config, err := b.writeConfig()
	if err != nil {
		return err
	}
	runs := strings.Count(b.log.String(), running)
	cmd := exec.Command(b.program, "-c", config)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", b.program, err)
	}
	exited := make(chan struct{})
	go func() { // awaited by end
		_ = cmd.Wait()
		close(exited)
	}()
	b.cmd, b.exited = cmd, exited

	late := time.After(startTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-exited:
			b.cmd = nil
			return fmt.Errorf("mosquitto on port %d: %v", b.port, cmd.ProcessState)
		case <-late:
			b.Kill()
			return fmt.Errorf("mosquitto on port %d: silent after %v", b.port, startTimeout)
		case <-tick.C:
			// An answer alone proves nothing: it may be that of another broker
			// which took the port first.
			if strings.Count(b.log.String(), running) == runs {
				continue
			}
			if conn, err := net.Dial("tcp", b.Addr()); err == nil {
				return conn.Close()
			}
		}
	}
}

// writeConfig sets limits that suit ten thousand kiosks with full batches:
// queues without bound, no delay for small packets.
func (b *Broker) writeConfig() (string, error) {
	var c strings.Builder
	fmt.Fprintf(&c, "listener %d 127.0.0.1\nset_tcp_nodelay true\nlog_type all\nconnection_messages true\n", b.port)
	fmt.Fprintf(&c, "max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\nmax_keepalive 65535\n")
	if os.Geteuid() == 0 {
		fmt.Fprintf(&c, "user root\n") // else it cannot read the test's folder
	}
	if b.options.MaxPacketSize > 0 {
		fmt.Fprintf(&c, "max_packet_size %d\n", b.options.MaxPacketSize)
	}
	if b.options.Persistence {
		fmt.Fprintf(&c, "persistence true\npersistence_location %s/\nautosave_on_changes true\nautosave_interval 1\n", b.dir)
	}
	if b.options.CertFile != "" {
		fmt.Fprintf(&c, "certfile %s\nkeyfile %s\n", b.options.CertFile, b.options.KeyFile)
	}
	if b.options.ClientCAFile != "" {
		fmt.Fprintf(&c, "cafile %s\nrequire_certificate true\n", b.options.ClientCAFile)
	}
	if len(b.options.Users) == 0 {
		fmt.Fprintf(&c, "allow_anonymous true\n")
	} else {
		if err := b.writeUsers(); err != nil {
			return "", err
		}
		fmt.Fprintf(&c, "allow_anonymous false\npassword_file %s\nacl_file %s\n", b.path("passwords"), b.path("acl"))
	}
	return b.path("conf"), os.WriteFile(b.path("conf"), []byte(c.String()), 0o600)
}

func (b *Broker) path(name string) string { return filepath.Join(b.dir, "mosquitto."+name) }

func find(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "mosquittotest: there is no mosquitto here: apt-get install mosquitto"
	if os.Getenv("CI") == "true" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// freePort looks below the ports that the kernel gives to outgoing connections:
// there, a client that dials a stopped broker can meet itself.
func freePort(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		return port
	}
	tb.Fatal("mosquittotest: no free port between 20000 and 32000")
	return 0
}
