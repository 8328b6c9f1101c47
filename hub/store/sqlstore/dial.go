package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"sourire/internal/migration"
)

// Options say how a store is opened.
type Options struct {
	MustExist bool // refuse a database that no hub has used, rather than begin there
	// ForCopy opens a database to copy into, which may be one that was begun.
	ForCopy bool
	Setting string // where the address was given; "" means [store] postgres
}

// minVersion is the oldest server that will do, as server_version_num.
const minVersion = 15_00_00

// connectTimeout bounds a connection's beginning, unless the address says more.
const connectTimeout = 10 * time.Second

// Dial connects to the store in a PostgreSQL database and brings its schema up to
// date. What is wrong with the address, the server or the rights is said in a
// sentence that names the setting and never the password.
func Dial(ctx context.Context, address string, o Options) (*Store, error) {
	where := o.Setting
	if where == "" {
		where = ownSetting
	}
	config, err := parseAddress(address, where)
	if err != nil {
		return nil, err
	}
	s, err := dial(ctx, config, o)
	if err != nil {
		return nil, describeAs(config, where, err)
	}
	return s, nil
}

// parseAddress reads an address. The driver's own words about a broken one may
// hold the password, or a part of it.
func parseAddress(address, setting string) (*pgx.ConnConfig, error) {
	const example = "write one like postgres://user@host:5432/database"
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return nil, fmt.Errorf("setting %s is not the address of a PostgreSQL database: %s", setting, example)
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("setting %s cannot be read as an address, see that special characters are written as %%XX: %s", setting, example)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sourire-hub"
	}
	return config, nil
}

func dial(ctx context.Context, config *pgx.ConnConfig, o Options) (*Store, error) {
	s := newStore(dialect{
		copier:     postgresCopier{},
		legible:    legible,
		hubs:       &peers{config},
		constraint: brokenConstraint,
		verbatim:   func(text string) any { return []byte(text) },
		mentions:   "position(CAST(? AS bytea) in state) > 0",
		check:      func(context.Context) error { return nil }, // the server answers for its pages
	})
	s.d.writer = newPostgresWriter(&s.tables)
	d := &postgresDatabase{
		write: pool(config, writers, func(ctx context.Context, c *pgx.Conn) error {
			s.forget()
			return settleWriter(ctx, c)
		}),
		read: pool(config, readers, settleReader),
	}
	s.d.database, s.d.packer = d, postgresPacker{d.read}
	if err := examine(ctx, d.write, minVersion); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if o.MustExist {
		var used bool
		if err := d.write.QueryRowContext(ctx, "SELECT to_regclass('schema_migration') IS NOT NULL").Scan(&used); err != nil {
			return nil, errors.Join(err, d.close())
		}
		if !used {
			return nil, errors.Join(ErrUnused, d.close())
		}
	}
	if err := migratePostgres(ctx, d.write); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if err := mayMakeRoom(ctx, d.write, config.User); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if err := s.name(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	if err := s.whole(ctx); err != nil && (!o.ForCopy || !errors.Is(err, ErrIncomplete)) {
		return nil, errors.Join(err, d.close())
	}
	return s, nil
}

func pool(config *pgx.ConnConfig, size int, settle func(context.Context, *pgx.Conn) error) *sql.DB {
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(settle))
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(10 * time.Minute)
	return db
}

// refusal is a sentence about a server that will not do.
type refusal string

// Error returns the sentence.
func (r refusal) Error() string { return string(r) }

// ErrUnused says that no hub has used a database.
const ErrUnused = refusal("there is no hub's store in it: see that the address names the right database")

// settleWriter looks at a new connection: whatever the server, the database and
// the role say together must make a commit durable, and goes on to do so when the
// server reads its settings again. A hub that hangs, or lost its network, holds
// the row of the term no longer than a few seconds.
func settleWriter(ctx context.Context, c *pgx.Conn) error {
	var fsync, pages, synchronous string
	err := c.QueryRow(ctx, `SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')`).
		Scan(&fsync, &pages, &synchronous)
	switch {
	case err != nil:
		return err
	case fsync != "on":
		return refusal("the server has fsync = off and would lose presses that were acknowledged: set it to on in postgresql.conf and restart the server")
	case pages != "on":
		return refusal("the server has full_page_writes = off and a power cut may damage it: set it to on in postgresql.conf and reload the server")
	case synchronous == "off":
		return refusal("synchronous_commit is off for this connection and the server would lose presses that were acknowledged: " +
			"set it to on where it is turned off, which is postgresql.conf, ALTER DATABASE, ALTER ROLE or the address")
	}
	_, err = c.Exec(ctx, "SET synchronous_commit = "+synchronous+"; SET idle_in_transaction_session_timeout = '5s'; SET default_transaction_isolation = 'read committed'; SET statement_timeout = 0")
	return err
}

func settleReader(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, "SET default_transaction_read_only = on; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
	return err
}

// examine refuses a server that will not do, or is older than oldest.
func examine(ctx context.Context, db *sql.DB, oldest int) error {
	var version int
	var name, encoding string
	var standby, schema bool
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
			current_setting('server_encoding'), pg_is_in_recovery(), current_schema() IS NOT NULL`).
		Scan(&version, &name, &encoding, &standby, &schema)
	switch {
	case err != nil:
		return err
	case version < oldest:
		return refusal(fmt.Sprintf("the server is PostgreSQL %s and the hub needs %d or newer: upgrade it", name, oldest/1_00_00))
	case encoding != "UTF8":
		return refusal(fmt.Sprintf("the database has the encoding %s: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", encoding))
	case standby:
		return refusal("the server is a standby, which cannot be written: name the primary")
	case !schema:
		return refusal("none of the schemas in the user's search_path exists: create one, or set search_path with ALTER ROLE")
	}
	return nil
}

// mayMakeRoom refuses a user who may write rows and make no partition: that would
// come out in the first minute of a month.
func mayMakeRoom(ctx context.Context, db *sql.DB, user string) error {
	var may bool
	err := db.QueryRowContext(ctx, `SELECT pg_has_role(relowner, 'USAGE') AND has_schema_privilege(relnamespace, 'CREATE')
		FROM pg_class WHERE oid = 'record'::regclass`).Scan(&may)
	if err == nil && !may {
		return refusal(fmt.Sprintf("the user may not make the tables of the next months: use the user who owns the tables that are there, or say GRANT (that user) TO %s", user))
	}
	return err
}

// describe says in a sentence what is wrong and what to do.
func describe(config *pgx.ConnConfig, err error) error {
	return describeAs(config, ownSetting, err)
}

// ownSetting is where the address of the hub's own store is given.
const ownSetting = "[store] postgres"

// describeAs says it of an address that was given elsewhere.
func describeAs(config *pgx.ConnConfig, setting string, err error) error {
	where := fmt.Sprintf("store postgres://%s@%s/%s (%s)", config.User, host(config), config.Database, setting)
	if r, ok := errors.AsType[refusal](err); ok {
		return fmt.Errorf("%s: %w", where, r)
	}
	if errors.Is(err, migration.ErrNewer) || errors.Is(err, migration.ErrChanged) {
		return fmt.Errorf("%s: %w", where, err)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		if advice := adviceOn(config, e.Code); advice != "" {
			return fmt.Errorf("%s: %s: %s (SQLSTATE %s)", where, advice, e.Message, e.Code)
		}
		return fmt.Errorf("%s: %w", where, err)
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return fmt.Errorf("%s: the server cannot be reached, see that it runs, listens there and lets this machine in: %w", where, cause(err))
	}
	return fmt.Errorf("%s: %w", where, err)
}

// adviceOn says what to do about an SQLSTATE.
func adviceOn(config *pgx.ConnConfig, code string) string {
	switch code {
	case "28P01":
		return "the password is wrong: correct it in the address, in PGPASSWORD or in ~/.pgpass"
	case "28000":
		return "the server does not let this user in: see the role and pg_hba.conf"
	case "3D000":
		return fmt.Sprintf("there is no such database: make it with CREATE DATABASE %s OWNER %s", config.Database, config.User)
	case "42501":
		return fmt.Sprintf("the user may not do what the hub must: make it the owner with ALTER DATABASE %s OWNER TO %s, and of the schema and tables in it",
			config.Database, config.User)
	case "53300":
		return fmt.Sprintf("the server has no connection left: a hub needs %d, raise max_connections", writers+readers+2)
	case "53100":
		return "the server's disk is full: free some space"
	case "57P03":
		return "the server is starting or stopping: try again"
	}
	return ""
}

func host(c *pgx.ConnConfig) string {
	if strings.HasPrefix(c.Host, "/") {
		return c.Host
	}
	return net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
}

// cause returns why a connection failed, on one line: the driver's own sentence
// takes several and repeats the address.
func cause(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e
	}
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
