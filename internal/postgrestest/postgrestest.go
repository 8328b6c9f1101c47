// Package postgrestest runs Debian's PostgreSQL for tests, because the hub's store
// must keep its promises there too, when the server is killed not the least.
//
// It stands beside the line: hub/store/sqlstore, hub/app and internal/e2e use it.
// Each Server is a cluster of its own in a temporary folder, reached through a
// socket in that folder and through no port; it ends with its test, its log is
// shown when the test fails, and nothing survives it. It is quick to start and as
// durable as a real one: fsync, full_page_writes and synchronous_commit are on
// unless a test turns them off to see a hub refuse.
//
// PostgreSQL refuses to run as root; then it runs as the user postgres, or
// nobody. The package must not know the hub's tables.
package postgrestest

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout bounds a start, stopTimeout a polite end.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
)

// superuser is who owns everything; the socket lets everybody in who says so.
const superuser = "sourire"

// Server is a PostgreSQL server that can be ended and started again.
type Server struct {
	tb         testing.TB
	bin        string // folder of the programs
	dir        string // of the cluster and the socket
	credential *syscall.Credential

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	log    *logBuffer

	mu        sync.Mutex
	databases int
	schemas   int
	shared    string // address of the database that schemas share; "": there is none
}

// Start runs a server until the test ends. settings are lines of postgresql.conf
// beside the usual ones. Without the program it skips the test, or fails it where
// CI=true.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s := &Server{tb: tb, bin: find(tb), log: new(logBuffer)}
	var err error
	if s.dir, err = os.MkdirTemp("", "sourire-postgres-"); err != nil { //nolint:usetesting // the path of a socket must be short, and others than root must get there
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.end(syscall.SIGQUIT) // at once: a polite end would still force to disk what is thrown away
		if tb.Failed() {
			tb.Logf("postgres said:\n%s", s.log)
		}
		if err := os.RemoveAll(s.dir); err != nil {
			tb.Error(err)
		}
	})
	if err := s.beSomebody(); err != nil {
		tb.Fatal(err)
	}
	init := s.command("initdb", "-D", s.Data(), "-U", superuser, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	if out, err := init.CombinedOutput(); err != nil {
		tb.Fatalf("postgrestest: initdb: %v\n%s", err, out)
	}
	s.Configure(settings...)
	if err := s.start(); err != nil {
		tb.Fatalf("postgrestest: %v; its log:\n%s", err, s.log)
	}
	return s
}

// Data returns the folder of the cluster.
func (s *Server) Data() string { return filepath.Join(s.dir, "data") }

// beSomebody finds who the server can run as, and gives the folder to them.
func (s *Server) beSomebody() error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return err
		}
		s.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return os.Chown(s.dir, int(uid), int(gid))
	}
	return errors.New("postgrestest: there is neither a user postgres nor nobody, and root may not run it")
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.WaitDelay = time.Second
	// A test that is killed takes its server along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// Configure replaces the settings that Start was given; they count from the next
// start on, those that can be changed in flight from Reload on.
func (s *Server) Configure(settings ...string) {
	s.tb.Helper()
	lines := append([]string{
		"listen_addresses = ''",
		"unix_socket_directories = '" + s.dir + "'",
		"max_connections = 100", "shared_buffers = 64MB", "max_wal_senders = 0", "jit = off",
		"checkpoint_timeout = 1h", "max_wal_size = 4GB", // a database for each test is many files to force
		"fsync = on", "full_page_writes = on", "synchronous_commit = on",
		"log_min_messages = warning", "log_line_prefix = '%m %p '",
	}, settings...)
	if err := os.WriteFile(filepath.Join(s.Data(), "postgresql.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		s.tb.Fatal(err)
	}
}

// Admit replaces who may connect: lines of pg_hba.conf that come before the one
// that lets the owner in. They count at once.
func (s *Server) Admit(lines ...string) {
	s.tb.Helper()
	lines = append(lines, "local all "+superuser+" trust")
	if err := os.WriteFile(filepath.Join(s.Data(), "pg_hba.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		s.tb.Fatal(err)
	}
	s.Reload()
}

// Reload lets the server read its settings again.
func (s *Server) Reload() {
	s.tb.Helper()
	const reloaded = "received SIGHUP"
	n := strings.Count(s.log.String(), reloaded)
	_ = s.cmd.Process.Signal(syscall.SIGHUP)
	if !await(startTimeout, func() bool { return strings.Count(s.log.String(), reloaded) > n }) {
		s.tb.Fatal("postgrestest: the server does not read its settings")
	}
}

// Database makes an empty database and returns its address.
func (s *Server) Database() string {
	s.tb.Helper()
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	s.mu.Unlock()
	s.Exec(s.URL(superuser, "", "postgres"), "CREATE DATABASE "+name)
	return s.URL(superuser, "", name)
}

// Schema makes an empty schema in a database that schemas share, and returns the
// address that leads there and its name. That takes a tenth of the time of
// Database, and is for tests that need many.
func (s *Server) Schema() (address, name string) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared == "" {
		s.Exec(s.URL(superuser, "", "postgres"), "CREATE DATABASE shared")
		s.shared = s.URL(superuser, "", "shared")
	}
	s.schemas++
	name = fmt.Sprintf("schema%d", s.schemas)
	s.Exec(s.shared, "CREATE SCHEMA "+name)
	return In(s.shared, name), name
}

// In is the address of a schema in a database.
func In(address, schema string) string {
	return address + "&options=" + url.QueryEscape("-csearch_path="+schema)
}

// URL is the address of a database for a user.
func (s *Server) URL(name, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(name), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	if password != "" {
		u.User = url.UserPassword(name, password)
	}
	return u.String()
}

// Socket returns the server's socket, for a proxy that stands in between.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// Dump returns what pg_dump writes of a database while it is in use.
func (s *Server) Dump(address string, args ...string) string {
	s.tb.Helper()
	cmd := s.command("pg_dump", append(args, address)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		s.tb.Fatalf("postgrestest: pg_dump: %v\n%s", err, &errs)
	}
	return out.String()
}

// Exec runs statements, or what Dump returned.
func (s *Server) Exec(address, statements string) {
	s.tb.Helper()
	cmd := s.command("psql", "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", address)
	cmd.Stdin = strings.NewReader(statements)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.tb.Fatalf("postgrestest: psql: %v\n%s", err, out)
	}
}

// Stop ends the server politely, its connections at once. Stopping twice is fine.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

func (s *Server) end(how syscall.Signal) {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(how) // it may have ended by itself
	select {
	case <-s.exited:
		s.cmd = nil
	case <-time.After(stopTimeout):
		s.Kill()
	}
}

// Kill ends every process of the server as a power cut would. What the kernel has
// not written is not lost by that: it proves the server's log, not its fsync.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	// A stopped postmaster neither notices the dead nor starts new ones.
	_ = s.cmd.Process.Signal(syscall.SIGSTOP)
	children := childrenOf(s.cmd.Process.Pid)
	for _, pid := range children {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
	await(startTimeout, func() bool { return !slices.ContainsFunc(children, alive) })
}

// Restart stops the server if it runs, and starts it on the same data.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		s.tb.Fatalf("postgrestest: restart: %v; its log:\n%s", err, s.log)
	}
}

// ready is what the server logs when it lets people in.
const ready = "database system is ready to accept connections"

// start runs the program and returns when it lets people in.
func (s *Server) start() error {
	before := strings.Count(s.log.String(), ready)
	cmd := s.command("postgres", "-D", s.Data())
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() { // awaited by Stop and Kill
		_ = cmd.Wait()
		close(exited)
	}()
	s.cmd, s.exited = cmd, exited
	up := await(startTimeout, func() bool {
		select {
		case <-exited:
			return true
		default:
			return strings.Count(s.log.String(), ready) > before
		}
	})
	select {
	case <-exited:
		s.cmd = nil
		return fmt.Errorf("postgres: %v", cmd.ProcessState)
	default:
	}
	if !up {
		s.Kill()
		return fmt.Errorf("postgres lets nobody in after %v", startTimeout)
	}
	return nil
}

// await asks until the answer is yes, and reports whether it was in time.
func await(timeout time.Duration, done func() bool) bool {
	late := time.After(timeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-late:
			return false
		case <-tick.C:
		}
	}
	return true
}

// childrenOf returns the processes whose parent is pid.
func childrenOf(pid int) []int {
	var out []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent, ok := stat(child); ok && parent == pid {
			out = append(out, child)
		}
	}
	return out
}

// alive reports whether a process runs; one that nobody has buried does not.
func alive(pid int) bool {
	state, _, ok := stat(pid)
	return ok && state != "Z" && state != "X"
}

// stat reads the state and the parent of a process.
func stat(pid int) (state string, parent int, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, false
	}
	// "pid (name) state parent …"; the name may hold anything.
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}

// find returns the folder of the newest PostgreSQL here.
func find(tb testing.TB) string {
	tb.Helper()
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is right
	newest, bin := 0, ""
	for _, f := range folders {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || version <= newest {
			continue
		}
		if _, err := os.Stat(filepath.Join(f, "initdb")); err == nil {
			newest, bin = version, f
		}
	}
	if bin != "" {
		return bin
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	const missing = "postgrestest: there is no PostgreSQL server here: run .ci/deps"
	if os.Getenv("CI") == "true" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// logBuffer is written by the server and read by a failing test.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// logLimit bounds a log; a test that fails after more has its beginning.
const logLimit = 1 << 20

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() < logLimit {
		l.buf.Write(p)
	}
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
