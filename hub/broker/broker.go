package broker

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Limits that are used where Options say nothing.
const (
	// DefaultMaxConns is above the 10,000 kiosks a hub is built for.
	DefaultMaxConns = 16_384

	// DefaultMaxPayload is four times a full batch.
	DefaultMaxPayload = 256 << 10

	// DefaultMaxPending is what may wait for one slow reader before it is thrown
	// out. 10,000 full batches at once are 640 MB for the hub's connection.
	DefaultMaxPending = 1 << 30

	// DefaultMaxStore bounds the cache on disk.
	DefaultMaxStore = 4 << 30
)

const (
	// handshakeTimeout bounds TLS, and again the wait for CONNECT. When
	// thousands of kiosks come back at once a handshake waits for its turn; the
	// server's own 2 s fail then.
	handshakeTimeout = 30 * time.Second

	// writeDeadline bounds a write to a client on a slow line.
	writeDeadline = 30 * time.Second

	// closeTimeout bounds Close.
	closeTimeout = 20 * time.Second

	// spareFiles stay for the store, its backups and the pages: with the last
	// file gone to a kiosk, nothing could be stored any more.
	spareFiles = 256

	// maxSubscriptions per connection: a kiosk needs four, a hub ten.
	maxSubscriptions = 64
)

// Options configure a broker. Authorize and Dir are needed.
type Options struct {
	// Addr is host:port to listen on. An empty host is every interface, port 0 a
	// free one.
	Addr string

	// Dir is the folder of the cache. Start deletes its sub-folder "jetstream"
	// and touches nothing else in it.
	Dir string

	// TLS makes the port speak TLS only. Where it wants client certificates,
	// Login.Certificate says whose was shown.
	TLS *tls.Config

	// Authorize says who may come in, as what. It is called from many
	// goroutines and a slow one holds up only the connection it is asked about.
	Authorize func(Login) (Role, bool)

	// MaxConns, MaxPayload, MaxPending and MaxStore default to the constants
	// above.
	MaxConns   int
	MaxPayload int
	MaxPending int64
	MaxStore   int64

	// Log defaults to silence.
	Log *slog.Logger
}

// Login is who a client says it is; what it did not say is empty.
type Login struct {
	Username, Password string
	Certificate        string // common name of its certificate, which was verified
}

// Broker is a running broker.
type Broker struct {
	door   *door
	server *server.Server
	host   string
	port   int
}

// Stats are counts since the start.
type Stats struct {
	// Clients are connected now.
	Clients int

	// TakeOvers counts, per client id, how often a new connection ended an older
	// one that was still open.
	TakeOvers map[string]int

	// Refused counts connections turned away for their password or client id.
	Refused uint64

	// SlowConsumers counts connections closed because they read too slowly.
	SlowConsumers uint64
}

// Start listens. Its error is a sentence that names the address or the folder,
// and what to do.
func Start(o Options) (*Broker, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MaxConns = cmp.Or(o.MaxConns, DefaultMaxConns)
	if room := roomFor(openFiles()); room < o.MaxConns {
		o.Log.Warn(tooFewFiles(openFiles(), room))
		o.MaxConns = room
	}
	o.MaxPayload = cmp.Or(o.MaxPayload, DefaultMaxPayload)
	o.MaxPending = cmp.Or(o.MaxPending, DefaultMaxPending)
	o.MaxStore = cmp.Or(o.MaxStore, DefaultMaxStore)
	host, port, err := split(o.Addr)
	if err != nil {
		return nil, err
	}
	if err := tryListen(host, port); err != nil {
		return nil, err
	}
	if o.Dir == "" || o.Authorize == nil {
		return nil, errors.New("broker: Options.Dir and Options.Authorize are needed")
	}
	if err := os.RemoveAll(filepath.Join(o.Dir, "jetstream")); err != nil {
		return nil, fmt.Errorf("broker: cannot empty the cache folder %s: %w: is it a folder that this user may write to?", o.Dir, err)
	}
	opts, err := serverOptions(o, host, port)
	if err != nil {
		return nil, err
	}
	d := &door{authorize: o.Authorize, last: map[string]uint64{}, takeOvers: map[string]int{}}
	opts.CustomClientAuthentication = d
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("broker: server options: %w", err)
	}
	log := &logger{to: o.Log}
	s.SetLoggerV2(log, false, false, false)
	d.server = s
	b := &Broker{door: d, server: s, host: host}
	s.Start() // returns, for it does not listen for clients of its own kind
	b.port = opts.MQTT.Port
	if err := log.cause(); err != nil {
		err = fmt.Errorf("broker: on %s with cache folder %s: %w: is the folder writable, and is there room?", o.Addr, o.Dir, err)
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// serverOptions leave nothing to the server's defaults that facts have shown to
// bite.
func serverOptions(o Options, host string, port int) (*server.Options, error) {
	opts := new(server.Options)
	// The only door to these two switches.
	if err := opts.ProcessConfigString("mqtt { reject_qos2_publish: true, downgrade_qos2_subscribe: true }"); err != nil {
		return nil, fmt.Errorf("broker: server options: %w", err)
	}
	opts.ServerName = "sourire"
	opts.DontListen = true
	opts.NoSigs = true
	opts.MaxConn = o.MaxConns
	opts.MaxPayload = int32(min(o.MaxPayload, 1<<26))
	opts.MaxPending = o.MaxPending
	opts.MaxSubs = maxSubscriptions
	opts.WriteDeadline = writeDeadline
	opts.MaxClosedClients = 100
	opts.JetStream = true
	opts.DisableJetStreamBanner = true
	opts.StoreDir = o.Dir
	opts.JetStreamMaxStore = o.MaxStore
	opts.JetStreamMaxMemory = 256 << 20
	opts.MQTT.Host = host
	opts.MQTT.Port = cmp.Or(port, server.RANDOM_PORT)
	opts.MQTT.TLSConfig = newGate().guard(o.TLS)
	opts.MQTT.TLSTimeout = handshakeTimeout.Seconds()
	opts.MQTT.AuthTimeout = handshakeTimeout.Seconds()
	return opts, nil
}

// Addr is where to connect: the host of Options.Addr, or the loopback interface
// where that was every interface, and the port that was opened.
func (b *Broker) Addr() string {
	host := b.host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(b.port))
}

// Stats counts.
func (b *Broker) Stats() Stats {
	b.door.mu.Lock()
	defer b.door.mu.Unlock()
	return Stats{
		Clients:       b.server.NumClients(),
		TakeOvers:     maps.Clone(b.door.takeOvers),
		Refused:       b.door.refused,
		SlowConsumers: b.server.NumSlowConsumersClients(),
	}
}

// Close ends all connections and waits until nothing of the server runs any
// more, at most closeTimeout.
func (b *Broker) Close() error {
	done := make(chan struct{})
	go func() {
		b.server.Shutdown()
		b.server.WaitForShutdown()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(closeTimeout):
		return fmt.Errorf("broker: still running %v after its end was asked for", closeTimeout)
	}
}

// roomFor returns how many connections fit into a limit of open files; 0 is a
// limit that is not known.
func roomFor(files int) int {
	if files == 0 {
		return math.MaxInt
	}
	return max(files-spareFiles, files/2)
}

// tooFewFiles says so, and what to do.
func tooFewFiles(files, room int) string {
	return fmt.Sprintf("this program may open %d files, so at most %d kiosks can be connected at a time: where there are more, raise the limit (LimitNOFILE= in its systemd unit, or ulimit -Hn)", files, room)
}

func split(addr string) (string, int, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("broker: address %q is not of the form host:port: %w", addr, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("broker: address %q: the port is not a number from 0 to 65535", addr)
	}
	return host, int(port), nil
}

// tryListen listens for a moment, because the server's own failure to do so is
// only a line in its log.
func tryListen(host string, port int) error {
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	l, err := net.Listen("tcp", addr)
	switch _, unknown := errors.AsType[*net.DNSError](err); {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("broker: port %d is taken: stop the program that listens on %s, or give the broker another port: %w", port, addr, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("broker: port %d is not allowed to this user: use a port above 1023, such as 1883 or 8883: %w", port, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL), unknown:
		return fmt.Errorf("broker: %s is no address of this machine: write one that is, or none for every interface: %w", host, err)
	case err != nil:
		return fmt.Errorf("broker: cannot listen on %s: %w", addr, err)
	}
	return l.Close()
}
