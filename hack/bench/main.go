// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures what the operator costs, side by side with others that do the same: a bare probe, which is the
// floor, and External Secrets. All of them work in turn, A B B A, on one control plane and with one simulator of Sendforsign,
// and are watched by one observer. It is started by make bench, in the root of the repository; docs/benchmarks.md says what
// is measured how.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// The children die with the thread that started them (package localcluster), so this must be the one that lives longest.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	assets     string
	binaries   string
	out        string
	contenders []string
	phases     []string
	tenants    int
	slow       int
	foreign    int
	rounds     int
	workers    int
	window     time.Duration
	idle       time.Duration
	memory     string // GOMEMLIMIT of the operator
	latency    time.Duration
	http2      bool
	once       bool
	keepLogs   bool
}

// The phases of a turn. Those of phasesOnce are measured in the first turn of a contender only, and not with each.
const (
	phaseSync     = "first-sync"
	phaseIdle     = "idle"
	phaseDrift    = "drift"
	phaseRestart  = "restart"
	phaseForeign  = "foreign"
	phaseRenewals = "renewals"
	phaseLateness = "lateness"
	phaseCycle    = "cycle"
)

var (
	allPhases  = []string{phaseSync, phaseIdle, phaseDrift, phaseRestart, phaseForeign, phaseRenewals, phaseLateness, phaseCycle}
	phasesOnce = []string{phaseIdle, phaseDrift, phaseRestart, phaseForeign, phaseLateness, phaseCycle}
)

func readSettings(args []string) (settings, error) {
	s := settings{assets: os.Getenv("KUBEBUILDER_ASSETS")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.binaries, "binaries", "bin/bench", "`directory` of the programs operator, probe and simulator")
	flags.StringVar(&s.out, "out", "bin/bench", "`directory` for the figures as JSON")
	contenders := flags.String("contenders", "operator,operator-no-times,external-secrets,external-secrets-default,probe-status,probe", "who takes part")
	phases := flags.String("phases", "first-sync,idle,drift,restart,foreign,renewals,lateness", "what is measured; cycle has all tokens renewed once, to see the memory that this takes")
	flags.IntVar(&s.tenants, "tenants", 1000, "how many tenants there are")
	flags.IntVar(&s.slow, "slow-tenants", 200, "how many at most for external-secrets-default, which renews ten per second")
	flags.IntVar(&s.foreign, "foreign", 10000, "how many Secrets of 10 KB there are of others")
	flags.IntVar(&s.rounds, "rounds", 1, "how often the contenders go through A B B A")
	flags.IntVar(&s.workers, "workers", 64, "--max-concurrent-reconciles of the operator, and the workers of the probe")
	flags.DurationVar(&s.window, "window", 20*time.Second, "how long renewals are counted, and at least four intervals")
	flags.DurationVar(&s.idle, "idle", 30*time.Second, "how long nothing is due")
	flags.StringVar(&s.memory, "memory-limit", "", "GOMEMLIMIT of the operator, such as 1GiB, which its manifests set to the limit of memory; empty: none")
	flags.DurationVar(&s.latency, "latency", 20*time.Millisecond, "what each call to Sendforsign takes")
	flags.BoolVar(&s.http2, "http2", true, "the simulator speaks HTTP/2")
	flags.BoolVar(&s.once, "once", false, "each has one turn only")
	flags.BoolVar(&s.keepLogs, "keep-logs", false, "keep the logs of all processes")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	s.contenders, s.phases = strings.Split(*contenders, ","), strings.Split(*phases, ",")
	if err := s.check(); err != nil {
		return s, err
	}
	return s, nil
}

func (s *settings) check() error {
	if s.assets == "" {
		return errors.New("KUBEBUILDER_ASSETS is not set: use make bench")
	}
	for _, phase := range s.phases {
		if !slices.Contains(allPhases, phase) {
			return fmt.Errorf("unknown phase %q: use some of %s", phase, strings.Join(allPhases, ","))
		}
	}
	for _, name := range s.contenders {
		if _, known := contenders[name]; !known {
			return fmt.Errorf("unknown contender %q", name)
		}
	}
	if s.tenants < 1 || s.slow < 1 || s.rounds < 1 || s.workers < 1 || s.foreign < 0 {
		return errors.New("numbers must be positive")
	}
	for _, name := range []string{operatorProgram, probeProgram, simulatorProgram} {
		if _, err := os.Stat(filepath.Join(s.binaries, name)); err != nil {
			return fmt.Errorf("%w (use make bench, in the root of the repository)", err)
		}
	}
	return checkOpenFiles()
}

func run(ctx context.Context, args []string) (err error) {
	// What libraries say would be among the figures.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	s, err := readSettings(args)
	if err != nil {
		return err
	}
	begun := time.Now()
	st, err := startStage(ctx, s)
	if st != nil {
		defer func() { err = errors.Join(err, st.stop(err != nil || s.keepLogs)) }()
	}
	if err != nil {
		return err
	}
	taking, err := st.choose(ctx)
	if err != nil {
		return err
	}
	figures := newFigures(s, begun)
	for i, name := range order(taking, s) {
		if err := st.turn(ctx, i, name, figures); err != nil {
			if ctx.Err() != nil {
				err = errors.New("interrupted")
			}
			// What has been measured so far is shown, but it is no success.
			figures.note("%s: %v", name, err)
			return errors.Join(err, figures.write(os.Stdout, s.out))
		}
	}
	return figures.write(os.Stdout, s.out)
}

// order is A B … B A, so that what changes with time (a cache that fills, another load of the machine) does not favour one.
func order(names []string, s settings) []string {
	if s.once {
		return names
	}
	var turns []string
	for range s.rounds {
		turns = append(turns, names...)
		for _, name := range slices.Backward(names) {
			turns = append(turns, name)
		}
	}
	return turns
}

// say tells how far it is, on standard error: standard output is for the table.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}
