package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sourire/hub/backup"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/durable"
)

// Names in the data folder while a backup is restored into it. stagedName is the
// store to be, nothing reads it before planName is there; from then on only names
// change, and whoever comes next can finish, see plan.
const (
	stagedName = FileName + ".restore"
	planName   = "restore"
)

// RestoreOptions say how a backup is restored.
type RestoreOptions struct {
	backup.Options
	Replace bool // set a store that is there aside

	step func(name string) error // the seam at which tests let it break off
}

// Restored is what was restored.
type Restored struct {
	Manifest *sqlstore.Manifest // nil: the file is a bare database
	Report   verify.Report
	Aside    string // where the store is that was there before; "": there was none
	Finished bool   // an earlier restore of this file was interrupted, and finished now
	NeedsKey bool   // the folder has no key that kiosks know
	Store    string
	Term     int64
}

// plan is what is left to be done once the staged store is whole: set aside what
// is there, rename, write last-term. Each step may be taken twice.
type plan struct {
	From  string `json:"from"`
	Aside string `json:"aside"` // suffix of what is set aside
	Store string `json:"store"`
	Term  int64  `json:"term"`
}

// ErrRestoring marks a data folder in which a restore broke off.
var ErrRestoring = errors.New("a restore into this folder was interrupted: run the same sourire-hub restore again, which finishes it")

// notRestoring refuses a folder in which a restore is half done.
func notRestoring(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, planName)); err == nil {
		return fmt.Errorf("data folder %s: %w", dir, ErrRestoring)
	}
	return nil
}

// Restore puts a backup in the place of the store of a hub that does not run. What
// it puts there has a new id, so that kiosks ask what it has and send the rest.
func Restore(ctx context.Context, s Settings, file string, o RestoreOptions) (r Restored, err error) {
	if o.step == nil {
		o.step = func(string) error { return nil }
	}
	if file, err = filepath.Abs(file); err != nil {
		return r, err
	}
	if _, err := os.Stat(file); err != nil {
		return r, fmt.Errorf("there is no backup to restore: %w", err)
	}
	folder, err := durable.Open(s.Data)
	if errors.Is(err, durable.ErrLocked) {
		return r, fmt.Errorf("the hub must not run while a backup is restored: %w", err)
	} else if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	x := &restoring{s: s, folder: folder, file: file, o: o}
	x.r.Finished, err = x.resume()
	switch {
	case err != nil || x.r.Finished:
	case s.Store.Postgres == "":
		err = x.intoFolder(ctx)
	default:
		err = x.intoDatabase(ctx)
	}
	x.r.NeedsKey = s.Broker.Address == "" && s.Broker.ClientCAFile == "" && s.Kiosks.Key == "" && !exists(folder.Path("kiosk-key"))
	return x.r, err
}

type restoring struct {
	s      Settings
	folder *durable.Folder
	file   string
	o      RestoreOptions
	r      Restored
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// resume finishes a restore that was interrupted, and reports whether it was one
// of the same file.
func (x *restoring) resume() (same bool, err error) {
	text, err := os.ReadFile(x.folder.Path(planName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	var p plan
	if err := json.Unmarshal(text, &p); err != nil {
		return false, fmt.Errorf("%s cannot be read: %w", x.folder.Path(planName), err)
	}
	return p.From == x.file, x.carryOut(p)
}

// stage unpacks the backup into the folder, under a name that nobody reads.
func (x *restoring) stage(ctx context.Context) (path string, err error) {
	path = x.folder.Path(stagedName)
	x.unstage()
	x.r.Manifest, x.r.Report, err = backup.Unpack(ctx, x.file, path, x.o.Options)
	if err == nil && !x.r.Report.OK() {
		err = fmt.Errorf("%s does not prove what it counts, sourire-hub verify --backup says what is wrong; restore another, or this one with --no-verify", x.file)
	}
	if err == nil {
		err = x.o.step("staged")
	}
	if err != nil {
		x.unstage()
	}
	return path, err
}

// unstage removes what an interrupted restore left that had no plan yet.
func (x *restoring) unstage() {
	for _, suffix := range suffixes() {
		_ = os.Remove(x.folder.Path(stagedName) + suffix) // most are not there
	}
	plans, _ := filepath.Glob(x.folder.Path(planName) + ".*.part") // a folder that it cannot read keeps them
	for _, path := range plans {
		_ = os.Remove(path)
	}
}

// suffixes are those of a database and what SQLite keeps beside it.
func suffixes() []string { return []string{"", "-wal", "-shm"} }

func (x *restoring) intoFolder(ctx context.Context) error {
	if exists(x.folder.Path(FileName)) && !x.o.Replace {
		return fmt.Errorf("there is a store in %s already: name another folder with --data, or have it set aside under a dated name with --replace", x.folder.Path(FileName))
	}
	staged, err := x.stage(ctx)
	if err != nil {
		return err
	}
	p := plan{From: x.file, Aside: ".replaced-" + time.Now().UTC().Format("20060102T150405.000Z")}
	if p.Store, p.Term, err = settle(ctx, staged); err != nil {
		return err
	}
	if err := backup.Alone(staged); err != nil {
		x.unstage()
		return fmt.Errorf("%s: %w", staged, err)
	}
	if err := durable.Rename(staged, staged); err != nil { // forces it to the disk
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := x.o.step("settled"); err != nil {
		return err
	}
	if err := durable.WriteFile(x.folder.Path(planName), append(text, '\n'), 0o600); err != nil {
		return err
	}
	return x.carryOut(p)
}

func settle(ctx context.Context, path string) (id string, term int64, err error) {
	store, err := sqlstore.Open(ctx, path)
	if err != nil {
		return "", 0, err
	}
	id, term, err = store.Settle(ctx)
	return id, term, errors.Join(err, store.Close())
}

// carryOut takes the steps of a plan that are not taken yet.
func (x *restoring) carryOut(p plan) error {
	x.r.Store, x.r.Term = p.Store, p.Term
	store := x.folder.Path(FileName)
	if err := x.o.step("planned"); err != nil {
		return err
	}
	if exists(x.folder.Path(stagedName)) { // else the new store has its place
		for _, suffix := range suffixes() {
			if !exists(store + suffix) {
				continue
			}
			if err := durable.Rename(store+suffix, store+p.Aside+suffix); err != nil {
				return err
			}
			if err := x.o.step("set aside" + suffix); err != nil {
				return err
			}
		}
		if err := durable.Rename(x.folder.Path(stagedName), store); err != nil {
			return err
		}
	}
	if exists(store + p.Aside) {
		x.r.Aside = store + p.Aside
	}
	if err := x.o.step("renamed"); err != nil {
		return err
	}
	if err := Vouch(x.folder, p.Store, p.Term); err != nil {
		return err
	}
	if err := x.o.step("vouched"); err != nil {
		return err
	}
	// Gone after a rename that is forced to the disk: it must not come back.
	done := x.folder.Path(planName) + ".done.part"
	if err := durable.Rename(x.folder.Path(planName), done); err != nil {
		return err
	}
	return os.Remove(done)
}

// intoDatabase restores into an empty database on PostgreSQL, which is marked
// until it is whole.
func (x *restoring) intoDatabase(ctx context.Context) (err error) {
	to, err := sqlstore.Dial(ctx, x.s.Store.Postgres, sqlstore.Options{ForCopy: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	return Reserve(ctx, to, "restore", func() error { return x.into(ctx, to) })
}

func (x *restoring) into(ctx context.Context, to *sqlstore.Store) (err error) {
	staged, err := x.stage(ctx)
	if err != nil {
		return err
	}
	defer x.unstage()
	from, err := sqlstore.Open(ctx, staged)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	moved, err := backup.Move(ctx, from, to, x.o.Options)
	if errors.Is(err, sqlstore.ErrNotEmpty) {
		return fmt.Errorf("store [store] postgres: %w; the old one stays as it is (CREATE DATABASE … makes the new one)", err)
	} else if err != nil {
		return fmt.Errorf("store [store] postgres: %w", err)
	}
	x.r.Store, x.r.Term = moved.Store, moved.Term
	return Vouch(x.folder, moved.Store, moved.Term)
}

// Vouch writes into a data folder under which id and term of its store a hub spoke
// last, or would have.
func Vouch(folder *durable.Folder, store string, term int64) error {
	return durable.WriteFile(folder.Path(lastTermName), lastTerm(store, term), 0o600)
}
