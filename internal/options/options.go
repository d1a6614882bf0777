// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package options reads and checks the command line of the operator.
package options

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Options is the command line, checked.
type Options struct {
	// MetricsAddress is where metrics are served ("0": nowhere), MetricsSecure whether over TLS and only to those who
	// may read them.
	MetricsAddress string
	MetricsSecure  bool
	// MetricsPerResource has a series for each resource.
	MetricsPerResource bool
	// ProbeAddress is where /healthz and /readyz are served.
	ProbeAddress string
	// LeaderElect lets only one of several operators work, LeaseDuration is how long the others wait for one that has
	// vanished without a word.
	LeaderElect   bool
	LeaseDuration time.Duration
	// LeaderElectionID is the name of the lease.
	LeaderElectionID string
	// PlatformNamespace is where the credentials Secrets and the lease are.
	PlatformNamespace string
	// WatchNamespaces is where SfsClients and SfsClientUsers are looked for. None: in all namespaces.
	WatchNamespaces []string
	// WatchLabelSelector is for the labels of the resources that are served. Nil: all.
	WatchLabelSelector labels.Selector
	// OAuthAllowedHosts are the hosts that a generic provider of an OAuthToken may be at, each as host:port. None: no host.
	OAuthAllowedHosts []string
	// OAuthPresetURLs take the place of scheme and host of the presets of OAuthTokens, by their names.
	OAuthPresetURLs map[string]string
	// Concurrency is how many resources of a kind are worked on at a time.
	Concurrency int
	// RecordTokenTimes has the status of each SfsClient tell the times of its token.
	RecordTokenTimes bool
	// ShutdownTimeout is how long work that has begun may take to end.
	ShutdownTimeout time.Duration
	// LogFormat is "json" or "text", LogLevel the least level that is logged.
	LogFormat string
	LogLevel  slog.Level
	// ShowVersion prints the version and ends.
	ShowVersion bool
}

// Parse reads the command line. It writes the usage to out when asked for help, and then returns flag.ErrHelp.
func Parse(args []string, env func(string) string, out io.Writer) (Options, error) {
	var o Options
	flags := flag.NewFlagSet("sfs-operator", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.MetricsAddress, "metrics-bind-address", ":8443", "address of the metrics server; 0 turns it off")
	flags.BoolVar(&o.MetricsSecure, "metrics-secure", true, "serve metrics over TLS, and only to those whom the Kubernetes API lets read them")
	flags.BoolVar(&o.MetricsPerResource, "metrics-per-resource", true, "export conditions and token times of each resource by its name; false: counts, and the earliest times of each platform")
	flags.StringVar(&o.ProbeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	flags.BoolVar(&o.LeaderElect, "leader-elect", true, "let only one of several operators work at a time")
	flags.DurationVar(&o.LeaseDuration, "leader-election-lease-duration", 15*time.Second, "how long other operators wait for a leader that has vanished (at least 3s)")
	flags.StringVar(&o.LeaderElectionID, "leader-election-id", "", "name of the lease (default "+defaultLease+", with --watch-label-selector followed by a digest of it)")
	flags.StringVar(&o.PlatformNamespace, "platform-namespace", env("POD_NAMESPACE"), "namespace of the credentials Secrets and of the lease (default $POD_NAMESPACE)")
	flags.Func("watch-namespaces", "the only namespaces that are served, with commas between them; empty: all", func(list string) error {
		o.WatchNamespaces = separate(list)
		return nil
	})
	flags.Func("watch-label-selector", "labels of the only resources that are served, such as sendforsign.com/shard=b; empty: all", func(text string) error {
		selector, err := labels.Parse(text)
		if err == nil && !selector.Empty() {
			o.WatchLabelSelector = selector
		}
		return err
	})
	flags.Func("oauth-allowed-hosts", "hosts that a generic provider of an OAuthToken may be at, such as id.example.com or id.example.com:8443, with commas between them; empty: none", func(list string) error {
		var err error
		o.OAuthAllowedHosts, err = hosts(list)
		return err
	})
	flags.Func("oauth-preset-url", "where a preset of OAuthTokens is instead of at its provider, such as Signicat/Platform=https://proxy.example.com:8443; can be repeated", func(text string) error {
		name, instead, err := presetURL(text)
		if err != nil {
			return err
		}
		if o.OAuthPresetURLs == nil {
			o.OAuthPresetURLs = map[string]string{}
		}
		o.OAuthPresetURLs[name] = instead
		return nil
	})
	flags.IntVar(&o.Concurrency, "max-concurrent-reconciles", 64, "how many resources of a kind are worked on at a time (1 to 1024)")
	flags.BoolVar(&o.RecordTokenTimes, "record-token-times", true, "have the status of each SfsClient tell the times of its token; false: only its Secret does, and a renewal is one write")
	flags.DurationVar(&o.ShutdownTimeout, "graceful-shutdown-timeout", 30*time.Second, "how long work that has begun may take to end")
	flags.StringVar(&o.LogFormat, "log-format", "json", "json or text")
	flags.TextVar(&o.LogLevel, "log-level", slog.LevelInfo, "least level that is logged: debug, info, warn or error")
	flags.BoolVar(&o.ShowVersion, "version", false, "print the version and end")
	if err := flags.Parse(args); err != nil {
		return Options{}, err
	}
	if flags.NArg() > 0 {
		return Options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.ShowVersion {
		return o, nil
	}
	if o.LeaderElectionID == "" {
		o.LeaderElectionID = leaseOf(o.WatchLabelSelector)
	}
	return o, o.validate()
}

// defaultLease is the name of the lease of who serves all resources. Another name would let an old and a new operator work
// side by side during an upgrade.
const defaultLease = "sfs-operator.sendforsign.com"

// leaseOf names the lease after what is served, so that each part of the resources has a leader of its own. The text of a
// selector is the same in whatever order it was written.
func leaseOf(selector labels.Selector) string {
	if selector == nil {
		return defaultLease
	}
	const enough = 4 // bytes to tell the parts of one cluster apart
	digest := sha256.Sum256([]byte(selector.String()))
	return defaultLease + "-" + hex.EncodeToString(digest[:enough])
}

func (o Options) validate() error {
	var wrong []error
	if o.PlatformNamespace == "" {
		wrong = append(wrong, errors.New("--platform-namespace or POD_NAMESPACE must be set"))
	} else if problems := validation.IsDNS1123Label(o.PlatformNamespace); len(problems) > 0 {
		wrong = append(wrong, fmt.Errorf("--platform-namespace %q is not a namespace: %s", o.PlatformNamespace, strings.Join(problems, "; ")))
	}
	for _, name := range o.WatchNamespaces {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			wrong = append(wrong, fmt.Errorf("--watch-namespaces: %q is not a namespace: %s", name, strings.Join(problems, "; ")))
		}
	}
	if problems := validation.IsDNS1123Subdomain(o.LeaderElectionID); len(problems) > 0 {
		wrong = append(wrong, fmt.Errorf("--leader-election-id %q can not be the name of a lease: %s", o.LeaderElectionID, strings.Join(problems, "; ")))
	}
	if err := checkAddress(o.MetricsAddress); err != nil && o.MetricsAddress != "0" {
		wrong = append(wrong, fmt.Errorf("--metrics-bind-address: %w", err))
	}
	if err := checkAddress(o.ProbeAddress); err != nil {
		wrong = append(wrong, fmt.Errorf("--health-probe-bind-address: %w", err))
	}
	if o.Concurrency < 1 || o.Concurrency > 1024 {
		wrong = append(wrong, fmt.Errorf("--max-concurrent-reconciles must be from 1 to 1024, not %d", o.Concurrency))
	}
	if o.LeaseDuration < 3*time.Second {
		wrong = append(wrong, fmt.Errorf("--leader-election-lease-duration must be at least 3s, not %s", o.LeaseDuration))
	}
	if o.ShutdownTimeout < 0 {
		wrong = append(wrong, fmt.Errorf("--graceful-shutdown-timeout must not be negative, not %s", o.ShutdownTimeout))
	}
	if !slices.Contains([]string{"json", "text"}, o.LogFormat) {
		wrong = append(wrong, fmt.Errorf("--log-format must be json or text, not %q", o.LogFormat))
	}
	if o.LogLevel < slog.LevelDebug {
		// Below it the Kubernetes client logs the bodies of its requests, Secrets and all.
		wrong = append(wrong, fmt.Errorf("--log-level must be debug, info, warn or error, not %s", o.LogLevel))
	}
	return errors.Join(wrong...)
}

// separate returns the names in a list, each once and in order, so that one that is written otherwise means the same.
func separate(list string) []string {
	if list == "" {
		return nil
	}
	return slices.Compact(slices.Sorted(strings.SplitSeq(list, ",")))
}

// hosts returns the hosts in a list, each once, in order, in lower case and with its port, which is by default that of https.
func hosts(list string) ([]string, error) {
	all := separate(list)
	for i, text := range all {
		u, err := url.Parse("https://" + text)
		if err != nil || u.Hostname() == "" || u.Host != text || strings.Contains(text, "*") {
			return nil, fmt.Errorf("%q is neither a host nor host:port", text)
		}
		port := u.Port()
		if port == "" {
			port = "443"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("%q has no port from 1 to 65535", text)
		}
		all[i] = net.JoinHostPort(strings.ToLower(u.Hostname()), port)
	}
	return slices.Compact(slices.Sorted(slices.Values(all))), nil
}

// presets are the providers of OAuthTokens whose URLs are known.
var presets = []string{"SecuredSigning/Global", "SecuredSigning/NewZealand", "Signicat/Express", "Signicat/Platform"}

func presetURL(text string) (name, instead string, err error) {
	name, instead, found := strings.Cut(text, "=")
	if !found || !slices.Contains(presets, name) {
		return "", "", fmt.Errorf("it must be <preset>=<URL> with one of the presets %s", strings.Join(presets, ", "))
	}
	u, err := url.Parse(instead)
	// Errors do not quote it: it may hold a password.
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Path != "" || strings.ContainsAny(instead, "?#") {
		return "", "", fmt.Errorf("the URL of %s must be https:// and a host, with or without a port, and nothing else", name)
	}
	return name, instead, nil
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	return nil
}

// LogHandler makes the handler of the chosen format and level.
func (o Options) LogHandler(to io.Writer) slog.Handler {
	settings := &slog.HandlerOptions{Level: o.LogLevel}
	if o.LogFormat == "text" {
		return slog.NewTextHandler(to, settings)
	}
	return slog.NewJSONHandler(to, settings)
}
