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

// duelResult is about messages of one size and what the peer does with them.
type duelResult struct {
	size                   int
	mode                   string // one of peerModes
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

// peerModes are what a peer does: what a hub does, or nothing but storing rows.
func peerModes() []string { return []string{"work", "rows"} }

// peerSizes are records a message.
func peerSizes() []int { return []int{20, 200} }

//go:embed peer/package.json peer/package-lock.json peer/subscriber.js
var peerFiles embed.FS

// peer is the three programs at work.
type peer struct {
	mode   string
	store  string // address of its database
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
	peers  []*peer     // of peerModes; none: there is no peer
	fleets [][4]*fleet // of peerSizes: at the peers, at the hub on SQLite, at the one on PostgreSQL
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
		if _, err := find(program); err != nil {
			r.missing = program + " is missing"
			return d, nil
		}
	}
	folder := filepath.Join(s.folder, "peer")
	if err := install(ctx, folder); err != nil {
		r.missing = err.Error()
		return d, nil // the table says so
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.end())
		}
	}()
	for _, mode := range peerModes() {
		p, err := startPeer(ctx, folder, mode, s.server)
		if err != nil {
			r.missing = "it does not start: " + err.Error()
			return d, d.end()
		}
		d.peers = append(d.peers, p)
	}
	for i, size := range peerSizes() {
		for _, mode := range peerModes() {
			r.duels = append(r.duels, duelResult{size: size, mode: mode})
		}
		d.fleets = append(d.fleets, [4]*fleet{})
		for j, address := range []string{d.peers[0].node.address, d.peers[1].node.address, s.bench.hub.address, s.hub.address} {
			if d.fleets[i][j], err = dialFleet(address, fmt.Sprintf("duel-%d", size), s.plan.server.kiosks); err != nil {
				return d, err
			}
		}
	}
	return d, nil
}

// find returns the path of a program; Debian has Mosquitto where not everybody
// looks.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
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
func startPeer(ctx context.Context, folder, mode string, server *postgres.Server) (p *peer, err error) {
	database, err := server.Database()
	if err != nil {
		return nil, err
	}
	p = &peer{mode: mode, store: database, server: server}
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
	node := exec.CommandContext(ctx, "node", "subscriber.js", "mqtt://"+address, database, mode)
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
	file := filepath.Join(folder, fmt.Sprintf("mosquitto-%d.conf", address.Port))
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		return nil, "", err
	}
	program, err := find("mosquitto")
	if err != nil {
		return nil, "", err
	}
	broker := exec.CommandContext(ctx, program, "-c", file)
	var said bytes.Buffer // read once it has ended
	broker.Stdout, broker.Stderr = &said, &said
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
	err = broker.Wait()
	return nil, "", fmt.Errorf("mosquitto does not open its port: %w\n%s", err, &said)
}

// proof fails where the rows of a peer are not what it answered for.
const proof = `DO $$
DECLARE
	stored bigint := (SELECT count(*) FROM record);
	presses bigint := (SELECT count(*) FROM record WHERE body LIKE '["press"%%');
	visits bigint := (SELECT count(*) FROM visit);
	counted bigint := (SELECT coalesce(sum(b.visits), 0) FROM bucket b);
BEGIN
	IF stored <> %d OR '%s' = 'work' AND (visits <> presses OR counted <> presses) THEN
		RAISE EXCEPTION 'records %% presses %% visits %% counted %%', stored, presses, visits, counted;
	END IF;
END $$`

// prove says what is wrong with what the peer has stored: every press here opens
// a visit.
func (p *peer) prove() error {
	st, err := p.ask("status")
	if err != nil {
		return err
	}
	return p.server.Exec(p.store, fmt.Sprintf(proof, st.Taken, p.mode))
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

// round gives peers and hubs the same presses, by turns.
func (d *duel) round() error {
	if len(d.peers) == 0 {
		return nil
	}
	for i, size := range peerSizes() {
		kiosks := d.plan.server.kiosks
		batches := max(1, d.plan.server.messages/size/kiosks)
		n := batches * kiosks * size
		var got [4]loadResult
		before, err := d.stored()
		if err != nil {
			return err
		}
		for j, at := range []struct {
			system
			name string
		}{{d.peers[0], "peer"}, {d.peers[1], "peer"}, {d.bench.hub, "sqlite"}, {d.hub, "postgres"}} {
			if err := d.fleets[i][j].press(batches, size); err != nil {
				return err
			}
			name := fmt.Sprintf("duel-%s-%d-%d", at.name, size, len(d.results.peer.duels[0].sqliteRate))
			if err := d.load(at.system, d.fleets[i][j], name, n, &got[j]); err != nil {
				return fmt.Errorf("%s, %d a message: %w", at.name, size, err)
			}
		}
		after, err := d.stored()
		if err != nil {
			return err
		}
		if rose := after - before; rose != int64(len(d.peers)*n) {
			return fmt.Errorf("the peers stored %d records, want %d", rose, len(d.peers)*n)
		}
		for j := range d.peers {
			d.results.peer.duels[len(d.peers)*i+j].add(got[j], got[2], got[3])
		}
	}
	return nil
}

// stored returns how many records the peers have stored.
func (d *duel) stored() (n int64, err error) {
	for _, p := range d.peers {
		st, err := p.ask("status")
		if err != nil {
			return 0, err
		}
		n += st.Taken
	}
	return n, nil
}

// add takes what one round gave.
func (r *duelResult) add(peer, sqlite, server loadResult) {
	for _, x := range []struct {
		to   *loadResult
		from loadResult
	}{{&r.peer, peer}, {&r.sqlite, sqlite}, {&r.postgres, server}} {
		x.to.rate = append(x.to.rate, x.from.rate...)
		x.to.cpu = append(x.to.cpu, x.from.cpu...)
		x.to.group = append(x.to.group, x.from.group...)
	}
	r.sqliteRate = append(r.sqliteRate, last(sqlite.rate)/last(peer.rate))
	r.sqliteCPU = append(r.sqliteCPU, last(peer.cpu)/last(sqlite.cpu))
	r.serverRate = append(r.serverRate, last(server.rate)/last(peer.rate))
	r.serverCPU = append(r.serverCPU, last(peer.cpu)/last(server.cpu))
}

// forget drops the samples of the warming up.
func (d *duel) forget() {
	for i, r := range d.results.peer.duels {
		d.results.peer.duels[i] = duelResult{size: r.size, mode: r.mode}
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
	var errs []error
	for _, p := range d.peers {
		errs = append(errs, p.prove(), p.stop())
	}
	d.fleets, d.peers = nil, nil
	return errors.Join(errs...)
}
