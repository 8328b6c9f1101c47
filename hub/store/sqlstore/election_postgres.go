package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"sourire/internal/feedback"
)

// How hubs on one server know of each other. A hub that died is noticed at once,
// for the kernel closes its connections. One that hangs, or whose network is gone,
// is silent: the server ends its session after sessionTimeout and lets go of what
// it held, and its own beat has failed before that, if it can notice anything.
// A transaction that it began ends within the same five seconds (settleWriter).
const (
	beatEvery      = time.Second
	beatTimeout    = 3 * time.Second
	sessionTimeout = 5 * time.Second
	electEvery     = 500 * time.Millisecond
)

// electionLock is the upper half of the advisory lock that the ingesting hub
// holds; the lower one is the number of the schema, for a database may hold the
// stores of several. It is "sour" in ASCII.
const electionLock = 0x736f7572

// hubName begins the names of hubs at the server.
const hubName = "sourire-hub"

// peers is hubs on a PostgreSQL server: a session of its own holds the advisory
// lock, another listens.
//
// Both are sessions that a pooler in transaction mode would break: hubs connect to
// the server itself.
type peers struct{ config *pgx.ConnConfig }

// session opens a connection that the server ends when nothing is heard of it.
func (p *peers) session(ctx context.Context, name string) (*pgx.Conn, error) {
	config := p.config.Copy()
	if name != "" {
		name = " " + name
	}
	config.RuntimeParams["application_name"] = hubName + name
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, describe(config, err)
	}
	_, err = c.Exec(ctx, fmt.Sprintf("SET idle_session_timeout = %d; SET statement_timeout = 0", sessionTimeout.Milliseconds()))
	if err != nil {
		hangUp(c)
		return nil, describe(config, err)
	}
	return c, nil
}

// hangUp ends a session, politely if that is quick.
func hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // whatever it says, the socket is closed
}

// beat asks the server for a word. When none comes the connection is closed.
func beat(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	_, err := c.Exec(ctx, "SELECT 1")
	return err
}

func (p *peers) elect(ctx context.Context, name string, waits func(string)) (*Lease, error) {
	c, err := p.session(ctx, name)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(electEvery)
	defer tick.Stop()
	for {
		won, holder, err := try(ctx, c)
		if err != nil {
			hangUp(c)
			return nil, describe(p.config, err)
		}
		if won {
			return &Lease{hold: func(ctx context.Context) error { return hold(ctx, c) }, release: func() { hangUp(c) }}, nil
		}
		waits(holder)
		select {
		case <-ctx.Done():
			hangUp(c)
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// try takes the lock if it is free, or says who holds it. Waiting inside the
// server would let a hub that hangs win.
func try(ctx context.Context, c *pgx.Conn) (won bool, holder string, err error) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	err = c.QueryRow(ctx, "SELECT pg_try_advisory_lock(($1::bigint << 32) | current_schema()::regnamespace::oid::bigint)", int64(electionLock)).Scan(&won)
	if err != nil || won {
		return won, "", err
	}
	// Of sessions of other users the server says no name.
	err = c.QueryRow(ctx, `SELECT coalesce(a.application_name, '') FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid::bigint = $1
			AND l.objid = current_schema()::regnamespace::oid
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`, int64(electionLock)).Scan(&holder)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, "", nil // it has just let go
	}
	return false, strings.TrimSpace(strings.TrimPrefix(holder, hubName)), err
}

func hold(ctx context.Context, c *pgx.Conn) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := beat(ctx, c); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: %w", ErrLeaseLost, err)
		}
	}
}

func (p *peers) takeOver(ctx context.Context, tx *tx) (n int64, err error) {
	err = tx.QueryRowContext(ctx, "UPDATE term SET n = greatest(n + 1, CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)) RETURNING n").Scan(&n)
	return n, err
}

// newsChannel is where hubs hear of commits: one for each schema.
const newsChannel = "'sourire_' || current_schema()::regnamespace::oid"

// tell costs a way to the server in a transaction that has several. The server
// passes it on when that is committed, and drops it otherwise.
func (p *peers) tell(ctx context.Context, tx *tx, sites []feedback.SiteID) error {
	names := make([]string, len(sites))
	for i, s := range sites {
		names[i] = string(s)
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_notify("+newsChannel+", ?)", strings.Join(names, " "))
	return err
}

func (p *peers) told([]feedback.SiteID) {}

func (p *peers) follow(ctx context.Context, changed func([]feedback.SiteID)) error {
	c, err := p.session(ctx, "listens")
	if err != nil {
		return err
	}
	defer hangUp(c)
	var channel string
	if err := c.QueryRow(ctx, "SELECT "+newsChannel).Scan(&channel); err != nil {
		return describe(p.config, err)
	}
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return describe(p.config, err)
	}
	changed(nil)
	for {
		err := hear(ctx, c, changed)
		if err == nil {
			err = beat(ctx, c)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			return describe(p.config, err)
		}
	}
}

// hear passes news on until it is time for a beat.
func hear(ctx context.Context, c *pgx.Conn, changed func([]feedback.SiteID)) error {
	pause, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	for {
		n, err := c.WaitForNotification(pause)
		switch {
		case err == nil:
			var sites []feedback.SiteID
			for _, s := range strings.Fields(n.Payload) {
				sites = append(sites, feedback.SiteID(s))
			}
			changed(sites)
		case pause.Err() != nil && !c.IsClosed():
			return nil
		default:
			return err
		}
	}
}
