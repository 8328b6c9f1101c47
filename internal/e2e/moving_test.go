package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"sourire/hub/app"
	"sourire/internal/disktest"
	"sourire/internal/postgrestest"
)

// onTerminal runs the program with a terminal for its errors, and returns what it
// printed and what a person saw there.
func (m *mover) onTerminal(args ...string) (out, seen string) {
	m.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer master.Close()
	var number, unlocked int32
	for request, at := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(at))); e != 0 {
			m.t.Fatal(e)
		}
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	var screen, printed bytes.Buffer
	cmd := exec.Command(m.program, args...)
	cmd.Stdout, cmd.Stderr = &printed, terminal
	read := make(chan struct{})
	go func() { // ends with the last who has the terminal open
		defer close(read)
		_, _ = io.Copy(&screen, master)
	}()
	err = cmd.Run()
	_ = terminal.Close()
	<-read
	if err != nil {
		m.t.Fatalf("sourire-hub %q: %v: %s%s", args, err, &printed, &screen)
	}
	return printed.String(), screen.String()
}

// exported returns the files of an export of a store, but for the manifest, which
// says when and of which store it is.
func (m *mover) exported(name string, store ...string) map[string]string {
	m.t.Helper()
	folder := m.path("export-" + name)
	m.must(append([]string{"export", folder}, store...)...)
	entries, err := os.ReadDir(folder)
	if err != nil {
		m.t.Fatal(err)
	}
	out := make(map[string]string)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			m.t.Fatal(err)
		}
		if e.Name() != "manifest.json" {
			out[e.Name()] = string(text)
		}
	}
	if len(out) < 8 || !strings.Contains(out["visits.csv"], "lyon") {
		m.t.Fatalf("got %d files, want an export", len(out))
	}
	return out
}

// A store is copied to PostgreSQL and back to a file by the shipped program: a bar
// shows how far it is, both sides are verified, and exports of the three are the
// same to the byte.
func TestCopy_programs(t *testing.T) {
	m := newMover(t)
	m.imported(2200, "--data", m.path("hub"))
	address := postgrestest.Start(t).Database()
	want, _ := m.count("--data", m.path("hub"))
	bar := func(seen string) {
		t.Helper()
		for _, part := range []string{"[====================]", " rows written and read back, ", "/s, 0s left", "records verified"} {
			if !strings.Contains(seen, part) {
				t.Errorf("got %q on the terminal, want it to show %q", seen, part)
			}
		}
	}
	proved := fmt.Sprintf("each read back; both sides prove %d records of 1 journals and 0 declared lost, with the same visits and roll-ups", want)
	out, seen := m.onTerminal("copy", "--to", address, "--data", m.path("hub"))
	bar(seen)
	if !strings.Contains(out, proved) || !strings.Contains(out, "set [store] postgres to it and start the hub; hub.db is left as it is") {
		t.Errorf("got %s", out)
	}
	database := "--store.postgres=" + address
	if err := os.Mkdir(m.path("home"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, seen = m.onTerminal("copy", "--to", filepath.Join(m.path("home"), app.FileName), "--data", m.path("server"), database)
	bar(seen)
	if !strings.Contains(out, proved) || !strings.Contains(out, "start the hub with this file as hub.db") {
		t.Errorf("got %s", out)
	}
	first := m.exported("file", "--data", m.path("hub"))
	for name, got := range map[string]map[string]string{
		"PostgreSQL": m.exported("server", "--data", m.path("server"), database), "back": m.exported("back", "--data", m.path("home")),
	} {
		for file, text := range first {
			if got[file] != text {
				t.Errorf("%s: %s of the export differs from that of the first store", name, file)
			}
		}
	}
}

// A backup onto a disk that is too small ends in a sentence, and leaves nothing.
func TestBackup_diskFull(t *testing.T) {
	m := newMover(t)
	m.imported(5, "--data", m.path("hub"))
	disk := disktest.Mount(t, m.path("usb"), 64<<10)
	out, ok := m.run("backup", filepath.Join(disk.Dir, "b.db"), "--data", m.path("hub"))
	if want := "is full, free some space or name another folder; nothing was kept"; ok || !strings.Contains(out, want) {
		t.Errorf("got %s, want %q", out, want)
	}
	if left, err := os.ReadDir(disk.Dir); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v left, want nothing", left, err)
	}
}

// While a hub has a database, and while it is copied into, the other is refused in
// a sentence, and nothing is written.
func TestCopy_besideHub(t *testing.T) {
	m := newMover(t)
	m.imported(5, "--data", m.path("source"))
	backup := m.path("b.db")
	m.must("backup", backup, "--data", m.path("source"))
	address := postgrestest.Start(t).Database()
	database, web := "--store.postgres="+address, freePort(t)
	_ = startProgram(t, m.program, "serve", "--data", m.path("server"), database, "--web.listen", web, "--broker.listen", freePort(t))
	saysWithin(t, web, ingests, takeOverWithin)
	t.Run("refused", func(t *testing.T) { // each waits a while for the place
		for name, args := range map[string][]string{
			"copy":    {"copy", "--to", address, "--data", m.path("source")},
			"restore": {"restore", backup, database, "--data", m.path("other")},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				out, ok := m.run(args...)
				if ok || !strings.Contains(out, "another hub (") || !strings.Contains(out, "nothing is written where one is at work: stop it, or name an empty database") {
					t.Errorf("got %s, want it to say that a hub is at work", out)
				}
			})
		}
	})
	if n, refused := m.count("--data", m.path("server"), database); n != 0 || refused != "" {
		t.Errorf("got %d records, %s, want none in the hub's database", n, refused)
	}
}
