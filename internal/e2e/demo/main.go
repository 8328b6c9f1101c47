// Command demo shows Sourire at work: a hub and three kiosks with visitors, as
// the programs that are shipped, in a folder that is gone afterwards.
//
// It stands over the line and knows both programs by their command lines only;
// at the end it compares the kiosks' ledger with the hub's store. Where there is
// a display and the window kiosk was built, one more kiosk is a window. Nothing
// survives it, and a crash of it leaves a temporary folder and no process.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/internal/e2e/ledger"
	"sourire/internal/run"
)

func main() {
	d := demo{out: os.Stdout}
	flag.DurationVar(&d.length, "for", 0, "end by itself after so long, with a summary line")
	flag.StringVar(&d.bin, "bin", "bin", "folder of the programs")
	flag.Parse()
	ctx, stop := run.Context()
	ok, err := d.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// demo is one run.
type demo struct {
	out    io.Writer
	bin    string
	length time.Duration
	folder string
	page   string
	broker string
	hub    *exec.Cmd
	window *exec.Cmd
}

func (d *demo) run(ctx context.Context) (ok bool, err error) {
	if d.folder, err = os.MkdirTemp("", "sourire-demo-"); err != nil {
		return false, err
	}
	defer os.RemoveAll(d.folder)
	if err := d.startHub(ctx); err != nil {
		return false, err
	}
	defer d.end(d.hub)
	fmt.Fprintf(d.out, "\n  The page:  http://%s/site/lounge\n\n", d.page)
	kiosks := d.fleet()
	if err := kiosks.Start(); err != nil {
		return false, fmt.Errorf("start the kiosks: %w; make build makes them", err)
	}
	d.startWindow()
	defer d.end(d.window)
	ended := make(chan error, 1)
	go func() { ended <- kiosks.Wait() }()

	store, err := sqlstore.Open(ctx, filepath.Join(d.folder, "hub", app.FileName))
	if err != nil {
		return false, err
	}
	defer store.Close()
	var fleetErr error
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for alive, told := true, false; alive; {
		select {
		case fleetErr = <-ended:
			alive = false
		case <-ctx.Done():
			if !told { // visitors stop coming; what is queued still goes out
				told = true
				_ = kiosks.Process.Signal(syscall.SIGTERM)
			}
			<-tick.C
		case <-tick.C:
			d.live(store)
		}
	}
	return d.summary(store, fleetErr)
}

// live prints a line of life. On a terminal it replaces the one before.
func (d *demo) live(store *sqlstore.Store) {
	sum, err := d.compare(store)
	if err != nil {
		return // a moment later it is there
	}
	end := "\n"
	if st, err := os.Stdout.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
		end = "\r"
	}
	fmt.Fprintf(d.out, "  pressed %-6d stored %-6d counted %-6d lost %-4d%s", sum.Pressed, sum.Stored, sum.Counted, sum.Lost, end)
}

func (d *demo) compare(store *sqlstore.Store) (ledger.Sum, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return ledger.Fleet{
		Ledger: filepath.Join(d.folder, "ledger"), Folder: filepath.Join(d.folder, "kiosks", "fleet"),
		Others: []string{filepath.Join(d.folder, "window")},
	}.Compare(ctx, store)
}

func (d *demo) summary(store *sqlstore.Store, fleetErr error) (bool, error) {
	d.end(d.window)
	sum, err := d.compare(store)
	if err != nil {
		return false, err
	}
	fmt.Fprintf(d.out, "\n%v\n", sum)
	for _, p := range sum.Problems {
		fmt.Fprintln(d.out, "  ", p)
	}
	if fleetErr != nil && sum.OK() && sum.Queued == 0 {
		return false, fmt.Errorf("the kiosks: %w", fleetErr)
	}
	return sum.OK(), nil
}

// startHub starts the hub and reads from it where it listens.
func (d *demo) startHub(ctx context.Context) error {
	config := filepath.Join(d.folder, "hub.toml")
	const sites = "[[site]]\nid = \"lounge\"\nname = \"Lounge\"\nzone = \"Europe/Paris\"\n"
	if err := os.WriteFile(config, []byte(sites), 0o600); err != nil {
		return err
	}
	d.hub = exec.Command(filepath.Join(d.bin, "sourire-hub"), "serve", "--config", config,
		"--data", filepath.Join(d.folder, "hub"), "--web.listen", freeOr("127.0.0.1:8080"), "--broker.listen", "127.0.0.1:0")
	d.hub.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(d.folder, "hub.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	d.hub.Stderr = log
	out, err := d.hub.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.hub.Start(); err != nil {
		return fmt.Errorf("start the hub: %w; make build makes it", err)
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		switch name, value, _ := strings.Cut(in.Text(), " "); name {
		case "pages":
			d.page = strings.Trim(strings.TrimPrefix(strings.TrimSpace(value), "http://"), "/")
		case "broker":
			d.broker = strings.TrimSpace(value)
		}
		if d.page != "" && d.broker != "" {
			return ctx.Err()
		}
	}
	why, _ := os.ReadFile(log.Name())
	d.end(d.hub)
	return fmt.Errorf("the hub did not start: %s", why)
}

// fleet is three kiosks with a visitor every three seconds at each: a rush, for a
// demonstration has no hour, but in a queue, so that nobody is taken for the one
// before. Their links are cut now and then.
func (d *demo) fleet() *exec.Cmd {
	args := []string{
		"simulate", "--kiosks", "3", "--prefix", "lounge", "--arrivals", "every:3s", "--weights", "2,3,15", "--quiet",
		"--data", filepath.Join(d.folder, "kiosks"), "--kiosk.site", "lounge",
		"--hub.address", d.broker, "--hub.key_file", filepath.Join(d.folder, "hub", "kiosk-key"),
		"--ledger", filepath.Join(d.folder, "ledger"), "--cut-every", "20s", "--cut-for", "1s",
		"--seed", fmt.Sprint(time.Now().UnixNano() % 1000),
	}
	if d.length > 0 {
		args = append(args, "--for", d.length.String())
	}
	c := exec.Command(filepath.Join(d.bin, "sourire-kiosk"), args...)
	c.Stderr = os.Stderr
	// Its own group: a Ctrl-C is passed on by us, once.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return c
}

// startWindow opens a kiosk in a window, where there are a display and the
// program.
func (d *demo) startWindow() {
	program := filepath.Join(d.bin, "sourire-kiosk-window")
	if _, err := os.Stat(program); err != nil || os.Getenv("DISPLAY") == "" {
		return
	}
	c := exec.Command(program, "run", "--window", "--data", filepath.Join(d.folder, "window"),
		"--kiosk.id", "window", "--kiosk.site", "lounge", "--kiosk.touchpoint", "window",
		"--hub.address", d.broker, "--hub.key_file", filepath.Join(d.folder, "hub", "kiosk-key"))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if c.Start() == nil {
		d.window = c
	}
}

// end ends a process politely, then not.
func (d *demo) end(c *exec.Cmd) {
	if c == nil || c.Process == nil || c.ProcessState != nil {
		return
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	hard := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
	defer hard.Stop()
	_ = c.Wait()
}

// freeOr returns the address if nobody listens there, else one with a free port.
func freeOr(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return addr
}
