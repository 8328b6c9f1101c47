// Package postgres runs Debian's PostgreSQL, for tests and for figures: the hub's
// store must keep its promises there too, and be fast there.
//
// It stands beside the line: internal/postgrestest gives it to tests, and
// internal/e2e/bench measures with it. Each Server is a cluster of its own in a
// temporary folder, reached through a socket in that folder and through no port.
// It is quick to start and as durable as a real one: fsync, full_page_writes and
// synchronous_commit are on unless somebody turns them off to see a hub refuse.
//
// PostgreSQL refuses to run as root; then it runs as the user postgres, or
// nobody. Nothing survives Close, and the server ends with the process that
// started it. The package must not know the hub's tables.
package postgres

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
	"time"

	"sourire/internal/transcript"
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
	bin        string // folder of the programs
	dir        string // of the cluster and the socket
	credential *syscall.Credential

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
	log    *transcript.Buffer

	mu        sync.Mutex
	databases int
	schemas   int
	shared    string // address of the database that schemas share; "": there is none
}

// ErrMissing says that there is no server's program on this machine.
var ErrMissing = errors.New("there is no PostgreSQL server here: run .ci/deps")

// Start runs a server until Close. settings are lines of postgresql.conf beside
// the usual ones. Without the program it returns ErrMissing.
func Start(settings ...string) (*Server, error) {
	bin, err := find()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, log: new(transcript.Buffer)}
	// The path of a socket must be short, and others than root must get there.
	if s.dir, err = os.MkdirTemp("", "sourire-postgres-"); err != nil {
		return nil, err
	}
	if err := s.begin(settings); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) begin(settings []string) error {
	if err := s.beSomebody(); err != nil {
		return err
	}
	init := s.command("initdb", "-D", s.data(), "-U", superuser, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if err := s.Configure(settings...); err != nil {
		return err
	}
	return s.start()
}

// Close ends the server at once and removes its folder: a polite end would still
// force to disk what is thrown away.
func (s *Server) Close() error {
	s.end(syscall.SIGQUIT)
	return os.RemoveAll(s.dir)
}

// Log returns what the server said, up to a bound.
func (s *Server) Log() string { return s.log.String() }

// PID is the process whose children serve the connections; 0 when it does not
// run.
func (s *Server) PID() int {
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

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
	return errors.New("there is neither a user postgres nor nobody, and root may not run it")
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.WaitDelay = time.Second
	// Whoever is killed takes the server along.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// Configure replaces the settings that Start was given; they count from the next
// start on, those that can be changed in flight from Reload on.
func (s *Server) Configure(settings ...string) error {
	lines := append([]string{
		"listen_addresses = ''",
		"unix_socket_directories = '" + s.dir + "'",
		"max_connections = 100", "shared_buffers = 64MB", "max_wal_senders = 0", "jit = off",
		"checkpoint_timeout = 1h", "max_wal_size = 4GB", // many databases are many files to force
		"fsync = on", "full_page_writes = on", "synchronous_commit = on",
		"log_min_messages = warning", "log_line_prefix = '%m %p '",
	}, settings...)
	return os.WriteFile(filepath.Join(s.data(), "postgresql.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// Admit replaces who may connect: lines of pg_hba.conf that come before the one
// that lets the owner in. They count at once.
func (s *Server) Admit(lines ...string) error {
	lines = append(lines, "local all "+superuser+" trust")
	if err := os.WriteFile(filepath.Join(s.data(), "pg_hba.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	return s.Reload()
}

// Reload lets the server read its settings again.
func (s *Server) Reload() error {
	const reloaded = "received SIGHUP"
	n := strings.Count(s.log.String(), reloaded)
	_ = s.cmd.Process.Signal(syscall.SIGHUP)
	if !await(startTimeout, func() bool { return strings.Count(s.log.String(), reloaded) > n }) {
		return errors.New("the server does not read its settings")
	}
	return nil
}

// Database makes an empty database and returns its address.
func (s *Server) Database() (string, error) {
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	s.mu.Unlock()
	return s.URL(superuser, "", name), s.Exec(s.URL(superuser, "", "postgres"), "CREATE DATABASE "+name)
}

// Schema makes an empty schema in a database that schemas share, and returns the
// address that leads there and its name. That takes a tenth of the time of
// Database, and is for tests that need many.
func (s *Server) Schema() (address, name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared == "" {
		if err := s.Exec(s.URL(superuser, "", "postgres"), "CREATE DATABASE shared"); err != nil {
			return "", "", err
		}
		s.shared = s.URL(superuser, "", "shared")
	}
	s.schemas++
	name = fmt.Sprintf("schema%d", s.schemas)
	return In(s.shared, name), name, s.Exec(s.shared, "CREATE SCHEMA "+name)
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
func (s *Server) Dump(address string, args ...string) (string, error) {
	cmd := s.command("pg_dump", append(args, address)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("pg_dump: %w\n%s", err, &errs)
	}
	return out.String(), nil
}

// Exec runs statements, or what Dump returned.
func (s *Server) Exec(address, statements string) error {
	cmd := s.command("psql", "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", address)
	cmd.Stdin = strings.NewReader(statements)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("psql: %w\n%s", err, out)
	}
	return nil
}

// Stop ends the server politely, its connections at once. Stopping twice is fine.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// end lets the server end in that way, and kills it when it does not.
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
func (s *Server) Restart() error {
	s.Stop()
	return s.start()
}

// ready is what the server logs when it lets people in.
const ready = "database system is ready to accept connections"

// start runs the program and returns when it lets people in.
func (s *Server) start() error {
	before := strings.Count(s.log.String(), ready)
	cmd := s.command("postgres", "-D", s.data())
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
		return fmt.Errorf("postgres: %v; its log:\n%s", cmd.ProcessState, s.log)
	default:
	}
	if !up {
		s.Kill()
		return fmt.Errorf("postgres lets nobody in after %v; its log:\n%s", startTimeout, s.log)
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
func find() (string, error) {
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
		return bin, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", ErrMissing
}
