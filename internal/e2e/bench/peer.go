package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"sourire/internal/postgres"
)

// peerResult compares a hub with what people would build in its place: Mosquitto,
// a subscriber on Node.js, PostgreSQL. Every ratio says how many times better the
// hub is.
type peerResult struct {
	missing string // why nothing was measured; empty: it was
	duels   []duelResult
}

// duelResult is about messages of one size.
type duelResult struct {
	size                   int
	peer, sqlite, postgres loadResult
	sqliteRate, sqliteCPU  samples // how many times the peer's presses a second, and its CPU a press the hub's
	serverRate, serverCPU  samples // … of the hub on PostgreSQL
}

// peerFigure is what the table says of it when it is not measured, and leftOut why
// a short run does not.
const (
	peerFigure = "hub beside Mosquitto, Node.js and PostgreSQL"
	leftOut    = "a short run leaves it out"
)

// peerSizes are records a message.
func peerSizes() []int { return []int{20, 200} }

//go:embed peer/package.json peer/package-lock.json peer/subscriber.js
var peerFiles embed.FS

// peer is the three programs at work.
type peer struct {
	node   *child
	broker *exec.Cmd
	server *postgres.Server
}

// ask implements system: only the line "status" means something to it.
func (p *peer) ask(string) (status, error) {
	st, err := p.node.ask("status")
	st.CPU = treeCPU(p.node.process.Process.Pid) + treeCPU(p.broker.Process.Pid) + treeCPU(p.server.PID())
	return st, err
}

// duel is a peer and its opponents. Without a peer it does nothing.
type duel struct {
	*onServer
	peer   *peer
	fleets [][3]*fleet // of peerSizes: at the peer, at the hub on SQLite, at the one on PostgreSQL
}

// challenge starts the peer beside the hub, where it can be.
func (s *onServer) challenge(ctx context.Context) (d *duel, err error) {
	d = &duel{onServer: s}
	r := &s.results.peer
	if !s.plan.server.peer {
		r.missing = leftOut
		return d, nil
	}
	for _, program := range []string{"node", "npm", "mosquitto"} {
		if _, err := exec.LookPath(program); err != nil {
			r.missing = program + " is missing"
			return d, nil
		}
	}
	folder := filepath.Join(s.folder, "peer")
	if err := install(ctx, folder); err != nil {
		r.missing = err.Error()
		return d, nil //nolint:nilerr // the table says so
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.end())
		}
	}()
	if d.peer, err = startPeer(ctx, folder, s.server); err != nil {
		return d, err
	}
	for _, size := range peerSizes() {
		r.duels = append(r.duels, duelResult{size: size})
		var three [3]*fleet
		for i, address := range []string{d.peer.node.address, s.bench.hub.address, s.hub.address} {
			if three[i], err = dialFleet(address, fmt.Sprintf("duel-%d", size), s.plan.server.kiosks); err != nil {
				return d, err
			}
			d.fleets = append(d.fleets[:len(r.duels)-1], three)
		}
	}
	return d, nil
}

// install puts the subscriber and the packages that it needs into a folder.
func install(ctx context.Context, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"package.json", "package-lock.json", "subscriber.js"} {
		text, err := peerFiles.ReadFile("peer/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir, npm.WaitDelay = folder, time.Second
	if out, err := npm.CombinedOutput(); err != nil {
		line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
		return fmt.Errorf("npm ci does not get its packages: %w: %s", err, line)
	}
	return nil
}

// startPeer starts broker and subscriber on a database of their own.
func startPeer(ctx context.Context, folder string, server *postgres.Server) (p *peer, err error) {
	database, err := server.Database()
	if err != nil {
		return nil, err
	}
	p = &peer{server: server}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
			p = nil
		}
	}()
	var address string
	if p.broker, address, err = startBroker(ctx, folder); err != nil {
		return p, err
	}
	node := exec.CommandContext(ctx, "node", "subscriber.js", "mqtt://"+address, database)
	node.Dir = folder
	if p.node, err = startChild(node); err != nil {
		return p, err
	}
	p.node.address = address
	return p, awaitHub(address)
}

// startBroker starts Mosquitto on a free port, with no bound that would slow it.
func startBroker(ctx context.Context, folder string) (*exec.Cmd, string, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	address := free.Addr().(*net.TCPAddr)
	if err := free.Close(); err != nil {
		return nil, "", err
	}
	settings := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n"+
		"max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\nlog_type error\nmax_keepalive 65535\n", address.Port)
	if os.Geteuid() == 0 {
		settings += "user root\n" // else it cannot read the folder
	}
	file := filepath.Join(folder, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		return nil, "", err
	}
	broker := exec.CommandContext(ctx, "mosquitto", "-c", file)
	broker.Stderr = os.Stderr
	if err := broker.Start(); err != nil {
		return nil, "", err
	}
	for began := time.Now(); time.Since(began) < patience; {
		conn, err := net.Dial("tcp", address.String())
		if err == nil {
			return broker, address.String(), conn.Close()
		}
		<-time.After(10 * time.Millisecond)
	}
	_ = broker.Process.Kill()
	return nil, "", errors.Join(errors.New("mosquitto does not open its port"), broker.Wait())
}

// stop ends the programs of the peer; the server is somebody else's.
func (p *peer) stop() error {
	var errs []error
	if p.node != nil {
		errs = append(errs, p.node.stop())
	}
	if p.broker != nil {
		_ = p.broker.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		errs = append(errs, p.broker.Wait())
	}
	return errors.Join(errs...)
}

// round gives peer and hubs the same presses, by turns.
func (d *duel) round() error {
	if d.peer == nil {
		return nil
	}
	for i := range d.results.peer.duels {
		r := &d.results.peer.duels[i]
		kiosks := d.plan.server.kiosks
		batches := max(1, d.plan.server.messages/r.size/kiosks)
		n := batches * kiosks * r.size
		before, err := d.peer.node.ask("status")
		if err != nil {
			return err
		}
		for j, at := range []struct {
			system
			name string
			into *loadResult
		}{{d.peer, "peer", &r.peer}, {d.bench.hub, "sqlite", &r.sqlite}, {d.hub, "postgres", &r.postgres}} {
			f := d.fleets[i][j]
			if err := f.press(batches, r.size); err != nil {
				return err
			}
			if err := d.load(at.system, f, fmt.Sprintf("duel-%s-%d", at.name, r.size), n, at.into); err != nil {
				return fmt.Errorf("%s, %d a message: %w", at.name, r.size, err)
			}
		}
		after, err := d.peer.node.ask("status")
		if err != nil {
			return err
		}
		if stored := after.Taken - before.Taken; stored != int64(n) {
			return fmt.Errorf("the peer stored %d of %d records", stored, n)
		}
		r.sqliteRate = append(r.sqliteRate, last(r.sqlite.rate)/last(r.peer.rate))
		r.sqliteCPU = append(r.sqliteCPU, last(r.peer.cpu)/last(r.sqlite.cpu))
		r.serverRate = append(r.serverRate, last(r.postgres.rate)/last(r.peer.rate))
		r.serverCPU = append(r.serverCPU, last(r.peer.cpu)/last(r.postgres.cpu))
	}
	return nil
}

// forget drops the samples of the warming up.
func (d *duel) forget() {
	for i, r := range d.results.peer.duels {
		d.results.peer.duels[i] = duelResult{size: r.size}
	}
}

// end closes what challenge began.
func (d *duel) end() error {
	for _, three := range d.fleets {
		for _, f := range three {
			if f != nil {
				f.close()
			}
		}
	}
	if d.peer == nil {
		return nil
	}
	err := d.peer.stop()
	d.peer = nil
	return err
}
