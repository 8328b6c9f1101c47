package broker

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A client that is refused again and again writes lines each time. The same line is
// logged once in each logAgain, whatever the port and number of the connection; and
// in each logWindow, at most logLines reach the log.
const (
	logWindow = time.Minute
	logLines  = 60
	logAgain  = time.Hour
	// logKept lines are known at a time; then all are forgotten.
	logKept = 1000
)

// connection begins a line: port of the client, kind and number.
var connection = regexp.MustCompile(`:\d+ - [a-z_]+:\d+ - `)

// rolled is said of the stream of QoS 1 messages once in some 190,000 of them
// (nats-server v2.15.2). Nobody here subscribes with QoS 1, so each leaves 22 bytes
// there, to number the next, and no message. When a file of 4 MiB is full of such,
// the server writes the state of the stream, compares the first number in the old
// file, which is empty, with its own, and sums the stream up again: that is all
// there is to it.
const rolled = "Filestore [$MQTT_msgs] Stream state encountered internal inconsistency on write"

// logger hands the server's lines to slog. Its Fatalf notes the error and does
// not exit.
type logger struct {
	to *slog.Logger

	mu     sync.Mutex
	fatal  error
	since  time.Time // begin of the window
	lines  int       // in the window
	hidden int       // above logLines in the window
	said   map[string]time.Time
}

// Noticef and the other methods implement server.Logger. What the server wants
// noticed is its own life; ours is told by the hub.
func (l *logger) Noticef(format string, v ...any) { l.to.Debug("broker: " + fmt.Sprintf(format, v...)) }

// Debugf drops its line: the server's debugging was not asked for.
func (l *logger) Debugf(string, ...any) {}

// Tracef drops its line.
func (l *logger) Tracef(string, ...any) {}

// Warnf warns.
func (l *logger) Warnf(format string, v ...any) { l.limited(fmt.Sprintf(format, v...)) }

// Errorf warns too: the server's errors are what its clients do wrong.
func (l *logger) Errorf(format string, v ...any) { l.limited(fmt.Sprintf(format, v...)) }

// Fatalf is called where the server alone would exit.
func (l *logger) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	l.mu.Lock()
	if l.fatal == nil {
		l.fatal = err
	}
	l.mu.Unlock()
	l.to.Error("broker: " + err.Error())
}

func (l *logger) limited(line string) {
	if strings.HasSuffix(line, " - unable to connect: authentication error") {
		l.to.Debug("broker: " + line) // the line before it says who
		return
	}
	if line == rolled {
		l.to.Debug("broker: " + line)
		return
	}
	l.mu.Lock()
	now, same := time.Now(), connection.ReplaceAllString(line, " - ")
	if at, ok := l.said[same]; ok && now.Sub(at) < logAgain {
		l.mu.Unlock()
		return
	}
	if l.said == nil || len(l.said) >= logKept {
		l.said = make(map[string]time.Time)
	}
	l.said[same] = now
	hidden := 0
	if now.Sub(l.since) > logWindow {
		hidden = l.hidden
		l.since, l.lines, l.hidden = now, 0, 0
	}
	l.lines++
	quiet := l.lines > logLines
	if quiet {
		l.hidden++
	}
	l.mu.Unlock()
	if hidden > 0 {
		l.to.Warn("broker: lines left out", "lines", hidden)
	}
	if !quiet {
		l.to.Warn("broker: " + line)
	}
}

// cause is what Fatalf noted.
func (l *logger) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}
