package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sourire/hub/app"
	"sourire/internal/killtest"
	"sourire/internal/postgrestest"
)

// mover moves stores with the shipped program, which is killed.
type mover struct {
	t       *testing.T
	program string
	dir     string
}

func newMover(t *testing.T) *mover {
	t.Helper()
	m := &mover{t: t, dir: t.TempDir()}
	m.program, _ = buildPrograms(t)
	return m
}

func (m *mover) path(name string) string { return filepath.Join(m.dir, name) }

// run runs the program to its end.
func (m *mover) run(args ...string) (out string, ok bool) {
	b, err := exec.Command(m.program, args...).CombinedOutput()
	return string(b), err == nil
}

// must is run where an error ends the test.
func (m *mover) must(args ...string) string {
	m.t.Helper()
	out, ok := m.run(args...)
	if !ok {
		m.t.Fatalf("sourire-hub %q: %s", args, out)
	}
	return out
}

// traced runs the program and asks before each of its calls.
func (m *mover) traced(may func(killtest.Call) bool, args ...string) (out string, status syscall.WaitStatus) {
	m.t.Helper()
	file, err := os.Create(m.path("said"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.Command(m.program, args...)
	cmd.Stdout, cmd.Stderr = file, file
	if status, err = killtest.Run(cmd, may); err != nil {
		m.t.Fatal(err)
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		m.t.Fatal(err)
	}
	return string(text), status
}

// calls runs the program undisturbed and returns what it did.
func (m *mover) calls(args ...string) (calls []killtest.Call) {
	m.t.Helper()
	out, status := m.traced(func(c killtest.Call) bool { calls = append(calls, c); return true }, args...)
	if status.ExitStatus() != 0 {
		m.t.Fatalf("sourire-hub %q: %s", args, out)
	}
	return calls
}

// steps returns the calls that differ in what they do to which file, and each
// rename and removal.
func steps(calls []killtest.Call) (out []killtest.Call) {
	seen := make(map[string]bool)
	for _, c := range calls {
		kind := c.Name + stepName(c.Path)
		if c.Name != "rename" && seen[kind] {
			continue
		}
		seen[kind] = true
		out = append(out, c)
	}
	return out
}

// stepName is a path without what differs in each run.
func stepName(path string) string {
	return regexp.MustCompile(`\d{5,}|socket:.*`).ReplaceAllString(filepath.Base(path), "*")
}

func stepOf(c killtest.Call) string {
	name := fmt.Sprintf("%d %s %s", c.N, c.Name, stepName(c.Path))
	if c.To != "" {
		name += " to " + stepName(c.To)
	}
	return name
}

// kill runs the program and kills it before that call. Of a connection the words
// are not the same each time: then it may have come to its end before.
func (m *mover) kill(at int, args ...string) {
	m.t.Helper()
	sends := false
	out, status := m.traced(func(c killtest.Call) bool { sends = sends || c.Name == "send"; return c.N != at }, args...)
	if ended := sends && status.ExitStatus() == 0; !status.Signaled() && !ended {
		m.t.Fatalf("sourire-hub %q was not killed at call %d, but ended with %v: %s", args, at, status, out)
	}
}

// imported fills a store with so many visits.
func (m *mover) imported(visits int, store ...string) {
	m.t.Helper()
	var csv strings.Builder
	csv.WriteString("time,rating\n")
	for i := range visits {
		fmt.Fprintf(&csv, "2024-05-%02d %02d:%02d,%d\n", i/960+1, 8+i/60%16, i%60, i%3)
	}
	path := m.path(fmt.Sprintf("history-%d.csv", visits))
	if err := os.WriteFile(path, []byte(csv.String()), 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.must(append([]string{"import", "--csv", path, "--time-column=time", "--rating-column=rating", "--site=lyon"}, store...)...)
}

// count is how many records a store proves, or why it is refused.
func (m *mover) count(store ...string) (received int, refused string) {
	m.t.Helper()
	out, ok := m.run(append([]string{"verify"}, store...)...)
	if !ok {
		return 0, out
	}
	_, said, _ := strings.Cut(out, "verify: ")
	if _, err := fmt.Sscanf(said, "%d of", &received); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	return received, ""
}

// copyFolder copies the files of a folder, as they are.
func (m *mover) copyFolder(from, to string) {
	m.t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		m.t.Fatal(err)
	}
}

// A restore is killed before each step that the disk sees, in a folder whose hub
// was killed as well. Then the folder is as it was, or is refused in a sentence
// that says what to do; done again it ends as if it had never been killed, and what
// was there is set aside whole.
func TestKilled_restore(t *testing.T) {
	m := newMover(t)
	m.imported(5, "--data", m.path("source"))
	backup := m.path("b.db")
	m.must("backup", backup, "--data", m.path("source"))
	want, _ := m.count("--data", m.path("source"))
	m.imported(9, "--data", m.path("old"))
	had, _ := m.count("--data", m.path("old"))
	web := freePort(t)
	hub := startProgram(t, m.program, "serve", "--data", m.path("old"), "--web.listen", web, "--broker.listen", freePort(t))
	saysWithin(t, web, ingests, takeOverWithin)
	hub.kill()
	if _, err := os.Stat(filepath.Join(m.path("old"), app.FileName+"-wal")); err != nil {
		t.Fatalf("the hub that was killed left no log: %v", err)
	}
	restore := func(folder string) []string { return []string{"restore", backup, "--replace", "--data", folder} }
	m.copyFolder(m.path("old"), m.path("undisturbed"))
	all := steps(m.calls(restore(m.path("undisturbed"))...))
	named := map[string]bool{
		"rename hub.db.restore to hub.db": false, "rename hub.db to hub.db.replaced": false, "rename hub.db-wal to hub.db.replaced": false,
		"to restore": false, "to last-term": false, "rename restore to restore.done.part": false, "remove restore.done.part": false,
	}
	for i, c := range all {
		step := stepOf(c)
		for name := range named {
			named[name] = named[name] || strings.Contains(step, name)
		}
		folder := m.path(fmt.Sprint("killed-", i))
		m.copyFolder(m.path("old"), folder)
		m.kill(c.N, restore(folder)...)
		n, refused := m.count("--data", folder)
		if refused == "" && n != had && n != want || refused != "" && !strings.Contains(refused, "run the same sourire-hub restore again, which finishes it") {
			t.Errorf("%s: got %d records, want the %d of before, the %d of the backup or a sentence: %s", step, n, had, want, refused)
		}
		m.must(restore(folder)...)
		if n, refused := m.count("--data", folder); n != want {
			t.Errorf("%s: got %d records, want the %d of the backup: %s", step, n, want, refused)
		}
		m.setAside(step, folder, had)
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
	}
	for name, seen := range named {
		if !seen {
			t.Errorf("there was no step %q among %v", name, all)
		}
	}
}

// setAside sees that nothing is left of a restore but the store that was there.
func (m *mover) setAside(step, folder string, had int) {
	m.t.Helper()
	left, err := filepath.Glob(filepath.Join(folder, "*restore*"))
	if err != nil || len(left) > 0 {
		m.t.Errorf("%s: got %q left, %v", step, left, err)
	}
	aside, err := filepath.Glob(filepath.Join(folder, app.FileName+".replaced-*Z"))
	if err != nil {
		m.t.Fatal(err)
	}
	whole := 0
	for i, file := range aside {
		old := filepath.Join(folder, fmt.Sprint("aside-", i))
		if err := os.Mkdir(old, 0o700); err != nil {
			m.t.Fatal(err)
		}
		for _, suffix := range []string{"", "-wal"} {
			if _, err := os.Stat(file + suffix); err == nil {
				copyFile(m.t, file+suffix, filepath.Join(old, app.FileName+suffix))
			}
		}
		if n, _ := m.count("--data", old); n == had {
			whole++
		}
	}
	if whole != 1 {
		m.t.Errorf("%s: got %d stores with %d records among %q, want one", step, whole, had, aside)
	}
}

// A backup, and a copy to a file, are killed before each step that the disk sees:
// there is no file or a whole one, and the next run is not in the way of what is
// left.
func TestKilled_toFile(t *testing.T) {
	m := newMover(t)
	m.imported(5, "--data", m.path("hub"))
	want, _ := m.count("--data", m.path("hub"))
	database := "--store.postgres=" + postgrestest.Start(t).Database()
	m.must("copy", "--to", strings.TrimPrefix(database, "--store.postgres="), "--data", m.path("hub"))
	for name, do := range map[string]func(file string) []string{
		"backup": func(file string) []string { return []string{"backup", file, "--data", m.path("hub")} },
		"copy":   func(file string) []string { return []string{"copy", "--to", file, "--data", m.path("none"), database} },
	} {
		t.Run(name, func(t *testing.T) {
			m := &mover{t: t, program: m.program, dir: t.TempDir()}
			all := steps(slices.DeleteFunc(m.calls(do(m.path("undisturbed.db"))...), func(c killtest.Call) bool { return c.Name == "send" }))
			if len(all) < 4 {
				t.Fatalf("got %v, want more steps", all)
			}
			for i, c := range all {
				file := m.path(fmt.Sprintf("b%d.db", i))
				m.kill(c.N, do(file)...)
				if _, err := os.Stat(file); err == nil {
					m.whole(stepOf(c), file, want)
					continue
				}
				m.must(do(file)...)
				m.whole(stepOf(c), file, want)
			}
		})
	}
}

// whole sees that a file is a store that is whole, and alone.
func (m *mover) whole(step, file string, want int) {
	m.t.Helper()
	out := m.must("verify", "--backup", file)
	if !strings.Contains(out, fmt.Sprintf("%d of %d records received", want, want)) {
		m.t.Errorf("%s: got %s, want %d records", step, out, want)
	}
	if left, err := filepath.Glob(file + ".part*"); err != nil || len(left) > 0 {
		m.t.Errorf("%s: got %q left, %v", step, left, err)
	}
}

// A copy into PostgreSQL, and a restore into it, are killed at words of theirs to
// the server, from the first to the last. Then the database is empty, or refused in
// a sentence that says what to do, or whole; and done again they end, or say that
// it is whole already.
func TestKilled_toPostgres(t *testing.T) {
	m := newMover(t)
	server := postgrestest.Start(t)
	m.imported(5, "--data", m.path("hub"))
	want, _ := m.count("--data", m.path("hub"))
	backup := m.path("b.db")
	m.must("backup", backup, "--data", m.path("hub"))
	for name, do := range map[string]func(address string) []string{
		"copy": func(address string) []string { return []string{"copy", "--to", address, "--data", m.path("hub")} },
		"restore": func(address string) []string {
			return []string{"restore", backup, "--store.postgres", address, "--data", m.path("new")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &mover{t: t, program: m.program, dir: t.TempDir()}
			address, _ := server.Schema()
			outcomes := make(map[string]int)
			for _, at := range spread(sends(m.calls(do(address)...)), 6) {
				address, _ := server.Schema()
				m.kill(at, do(address)...)
				m.begunOrWhole(fmt.Sprintf("killed at call %d", at), address, want, do(address), outcomes)
			}
			t.Log(outcomes)
			if outcomes["marked"] == 0 || outcomes["whole"] == 0 {
				t.Errorf("got %v, want some marked and one whole", outcomes)
			}
		})
	}
}

// sends are the calls that write to a server.
func sends(calls []killtest.Call) (out []int) {
	for _, c := range calls {
		if c.Name == "send" {
			out = append(out, c.N)
		}
	}
	return out
}

// spread takes the first of the calls, the last ones, and n in between.
func spread(calls []int, n int) []int {
	at := map[int]bool{calls[0]: true}
	for i := range n {
		at[calls[len(calls)*i/n]] = true
	}
	for _, c := range calls[max(0, len(calls)-8):] {
		at[c] = true
	}
	return slices.Sorted(maps.Keys(at))
}

// begunOrWhole looks at a database into which something broke off, and does it again.
func (m *mover) begunOrWhole(step, address string, want int, again []string, outcomes map[string]int) {
	m.t.Helper()
	database := "--store.postgres=" + address
	n, refused := m.count("--data", m.path("nowhere"), database)
	outcome := "whole"
	switch {
	case refused == "" && n == 0:
		outcome = "empty"
	case refused == "" && n != want:
		m.t.Errorf("%s: a database with %d of %d records is not refused", step, n, want)
	case strings.Contains(refused, "there is no hub's store in it"):
		outcome = "empty"
	case strings.Contains(refused, "a copy into it was begun and not finished"):
		outcome = "marked"
		if out, ok := m.run("serve", "--data", m.path("server"), database, "--web.listen=127.0.0.1:0", "--broker.listen=127.0.0.1:0"); ok ||
			!strings.Contains(out, "run the same sourire-hub copy or restore again, which begins anew") {
			m.t.Errorf("%s: a hub serves half a database, or does not say why not: %s", step, out)
		}
	case refused != "":
		m.t.Errorf("%s: got %s, want it refused for being incomplete", step, refused)
	}
	outcomes[outcome]++
	out, ok := m.run(again...)
	if outcome == "whole" && (ok || !strings.Contains(out, "start a hub with it if it is the one you want")) || outcome != "whole" && !ok {
		m.t.Errorf("%s: the database was %s, and then: %s", step, outcome, out)
	}
	if n, refused := m.count("--data", m.path("nowhere"), database); n != want {
		m.t.Errorf("%s: got %d of %d records at last: %s", step, n, want, refused)
	}
}

// PostgreSQL dies in the middle of a copy: it ends in a sentence, and what is there
// when the server is back is treated as after the death of the program.
func TestKilled_serverInCopy(t *testing.T) {
	m := newMover(t)
	server := postgrestest.Start(t)
	m.imported(5, "--data", m.path("hub"))
	want, _ := m.count("--data", m.path("hub"))
	do := func(address string) []string { return []string{"copy", "--to", address, "--data", m.path("hub")} }
	address, _ := server.Schema()
	all := sends(m.calls(do(address)...))
	outcomes := make(map[string]int)
	for _, at := range []int{all[len(all)/3], all[len(all)*2/3], all[len(all)-4], all[len(all)-1]} {
		address, _ := server.Schema()
		out, status := m.traced(func(c killtest.Call) bool {
			if c.N == at {
				server.Kill()
			}
			return true
		}, do(address)...)
		step := fmt.Sprintf("the server was killed at call %d of %d", at, all[len(all)-1])
		if status.ExitStatus() != 0 && (status.ExitStatus() != 1 || !strings.Contains(out, "--to: ") || !strings.Contains(out, "run the same sourire-hub copy or restore again, which begins anew") || strings.Contains(out, "panic")) {
			t.Errorf("%s: got status %d, want a sentence that says what to do: %s", step, status.ExitStatus(), out)
		}
		t.Logf("%s: %s", step, out)
		server.Restart()
		m.begunOrWhole(step, address, want, do(address), outcomes)
	}
	if outcomes["marked"] == 0 {
		t.Errorf("got %v, want some marked", outcomes)
	}
}
