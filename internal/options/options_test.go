// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package options_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/sendforsign/sfs-operator/internal/options"
)

// podNamespace is the environment of a Pod.
func podNamespace(name string) func(string) string {
	return func(key string) string {
		if key == "POD_NAMESPACE" {
			return name
		}
		return ""
	}
}

func selector(text string) labels.Selector {
	s, err := labels.Parse(text)
	if err != nil {
		panic(err)
	}
	return s
}

func defaults() options.Options {
	return options.Options{
		MetricsAddress: ":8443", MetricsSecure: true, MetricsPerResource: true, ProbeAddress: ":8081",
		LeaderElect: true, LeaseDuration: 15 * time.Second, LeaderElectionID: "sfs-operator.sendforsign.com", PlatformNamespace: "sfs-system",
		Concurrency: 64, RecordTokenTimes: true, ShutdownTimeout: 30 * time.Second, LogFormat: "json", LogLevel: slog.LevelInfo,
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason string
		args   []string
		want   func(*options.Options)
	}{
		"nothing is said": {
			reason: "a Pod gives the namespace, and the rest has defaults", want: func(*options.Options) {},
		},
		"everything is said": {
			reason: "each flag has its field",
			args: []string{
				"--metrics-bind-address=127.0.0.1:9090", "--metrics-secure=false", "--metrics-per-resource=false", "--health-probe-bind-address", "[::1]:9091",
				"--leader-elect=false", "--leader-election-lease-duration=1m", "--leader-election-id=of-shard-b", "--platform-namespace=elsewhere",
				"--watch-namespaces=team-a,team-b", "--watch-label-selector=sendforsign.com/shard=b",
				"--oauth-allowed-hosts=id.example.com", "--oauth-preset-url=Signicat/Platform=https://127.0.0.1:8443",
				"--max-concurrent-reconciles=3", "--record-token-times=false", "--graceful-shutdown-timeout=5s", "--log-format=text", "--log-level=debug",
			},
			want: func(o *options.Options) {
				*o = options.Options{
					MetricsAddress: "127.0.0.1:9090", ProbeAddress: "[::1]:9091", LeaseDuration: time.Minute, LeaderElectionID: "of-shard-b",
					PlatformNamespace: "elsewhere", WatchNamespaces: []string{"team-a", "team-b"}, WatchLabelSelector: selector("sendforsign.com/shard=b"),
					OAuthAllowedHosts: []string{"id.example.com:443"}, OAuthPresetURLs: map[string]string{"Signicat/Platform": "https://127.0.0.1:8443"},
					Concurrency: 3, ShutdownTimeout: 5 * time.Second, LogFormat: "text", LogLevel: slog.LevelDebug,
				}
			},
		},
		"one hyphen": {
			reason: "as with all programs in Go", args: []string{"-log-level", "error"},
			want: func(o *options.Options) { o.LogLevel = slog.LevelError },
		},
		"no metrics": {
			reason: "0 is how controller-runtime turns them off", args: []string{"--metrics-bind-address=0"},
			want: func(o *options.Options) { o.MetricsAddress = "0" },
		},
		"the least of everything": {
			reason: "both sides of each boundary", args: []string{
				"--max-concurrent-reconciles=1", "--leader-election-lease-duration=3s", "--graceful-shutdown-timeout=0",
			},
			want: func(o *options.Options) { o.Concurrency, o.LeaseDuration, o.ShutdownTimeout = 1, 3*time.Second, 0 },
		},
		"the most of everything": {
			reason: "both sides of each boundary", args: []string{
				"--max-concurrent-reconciles=1024", "--platform-namespace=" + strings.Repeat("a", 63),
			},
			want: func(o *options.Options) { o.Concurrency, o.PlatformNamespace = 1024, strings.Repeat("a", 63) },
		},
		"namespaces twice and in another order": {
			reason: "it is the same set", args: []string{"--watch-namespaces=team-b,team-a,team-b"},
			want: func(o *options.Options) { o.WatchNamespaces = []string{"team-a", "team-b"} },
		},
		"no namespaces to watch": {
			reason: "a variable that is empty is as good as no flag", args: []string{"--watch-namespaces="},
			want: func(*options.Options) {},
		},
		"hosts in another form": {
			reason: "they are compared as text", args: []string{"--oauth-allowed-hosts=ID.example.com:443,id.example.com,[::1]:8443,10.0.0.1"},
			want: func(o *options.Options) {
				o.OAuthAllowedHosts = []string{"10.0.0.1:443", "[::1]:8443", "id.example.com:443"}
			},
		},
		"no hosts": {
			reason: "a variable that is empty is as good as no flag", args: []string{"--oauth-allowed-hosts="},
			want: func(*options.Options) {},
		},
		"several presets": {
			reason: "the flag is repeated", args: []string{
				"--oauth-preset-url=Signicat/Express=https://a.example.com", "--oauth-preset-url=SecuredSigning/NewZealand=https://b.example.com:8443",
			},
			want: func(o *options.Options) {
				o.OAuthPresetURLs = map[string]string{
					"Signicat/Express": "https://a.example.com", "SecuredSigning/NewZealand": "https://b.example.com:8443",
				}
			},
		},
		"a selector": {
			reason: "the part has a lease of its own, whose name must stay the same for ever", args: []string{"--watch-label-selector=!sendforsign.com/shard"},
			want: func(o *options.Options) {
				o.WatchLabelSelector, o.LeaderElectionID = selector("!sendforsign.com/shard"), "sfs-operator.sendforsign.com-765f0f79"
			},
		},
		"a selector in another order": {
			reason: "it is the same part, and one lease", args: []string{"--watch-label-selector=c in (y,x), a=b"},
			want: func(o *options.Options) {
				o.WatchLabelSelector, o.LeaderElectionID = selector("a=b,c in (x,y)"), "sfs-operator.sendforsign.com-7b4af540"
			},
		},
		"no selector": {
			reason: "a variable that is empty is as good as no flag", args: []string{"--watch-label-selector="},
			want: func(*options.Options) {},
		},
		"a lease of another name": {
			reason: "for parts that only differ in their namespaces", args: []string{"--watch-namespaces=team-a", "--leader-election-id=sfs-operator.sendforsign.com-team-a"},
			want: func(o *options.Options) {
				o.WatchNamespaces, o.LeaderElectionID = []string{"team-a"}, "sfs-operator.sendforsign.com-team-a"
			},
		},
		"the level in capitals": {
			reason: "slog prints it so", args: []string{"--log-level=WARN"},
			want: func(o *options.Options) { o.LogLevel = slog.LevelWarn },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			want := defaults()
			test.want(&want)
			got, err := options.Parse(test.args, podNamespace("sfs-system"), &said)
			if err != nil || !reflect.DeepEqual(got, want) || said.Len() > 0 {
				t.Errorf("got %+v, %v, %q, want %+v: %s", got, err, &said, want, test.reason)
			}
		})
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason    string
		args      []string
		namespace string
		want      []string // parts of the message
	}{
		"no namespace": {
			reason: "credentials are looked for nowhere else", want: []string{"--platform-namespace", "POD_NAMESPACE"},
		},
		"an empty namespace": {
			reason: "it is as good as none", args: []string{"--platform-namespace="}, namespace: "sfs-system",
			want: []string{"--platform-namespace", "POD_NAMESPACE"},
		},
		"a namespace that is no name": {
			reason: "every read would fail", args: []string{"--platform-namespace=SFS"}, want: []string{"--platform-namespace", `"SFS"`, "lower case"},
		},
		"a namespace that is too long": {
			reason: "no namespace can have it", args: []string{"--platform-namespace=" + strings.Repeat("a", 64)},
			want: []string{"--platform-namespace", "63"},
		},
		"a wrong namespace in the environment": {
			reason: "it has to be right as well", namespace: "SFS", want: []string{"--platform-namespace", `"SFS"`},
		},
		"a namespace to watch that is no name": {
			reason: "nothing would be found there", args: []string{"--watch-namespaces=team-a,Team-B"}, namespace: "sfs-system",
			want: []string{"--watch-namespaces", `"Team-B"`, "lower case"},
		},
		"a namespace to watch that is missing": {
			reason: "it would stand for all of them", args: []string{"--watch-namespaces=team-a,"}, namespace: "sfs-system",
			want: []string{"--watch-namespaces", `""`},
		},
		"a namespace to watch after a space": {
			reason: "as Go has it, a list is one word", args: []string{"--watch-namespaces=team-a, team-b"}, namespace: "sfs-system",
			want: []string{"--watch-namespaces", `" team-b"`},
		},
		"a URL in the place of a host": {
			reason: "hosts are allowed, whatever the path", args: []string{"--oauth-allowed-hosts=https://id.example.com"}, namespace: "sfs-system",
			want: []string{"-oauth-allowed-hosts", `"https://id.example.com" is neither a host nor host:port`},
		},
		"hosts with a wildcard": {
			reason: "they are compared as they are", args: []string{"--oauth-allowed-hosts=*.example.com"}, namespace: "sfs-system",
			want: []string{"-oauth-allowed-hosts", `"*.example.com"`},
		},
		"a host that is missing": {
			reason: "it is more likely a mistake", args: []string{"--oauth-allowed-hosts=a.example.com,"}, namespace: "sfs-system",
			want: []string{"-oauth-allowed-hosts", `""`},
		},
		"a host with a port that is none": {
			reason: "nothing is there", args: []string{"--oauth-allowed-hosts=a.example.com:70000"}, namespace: "sfs-system",
			want: []string{"-oauth-allowed-hosts", "1 to 65535"},
		},
		"a preset that is none": {
			reason: "nobody would notice", args: []string{"--oauth-preset-url=Signicat=https://a.example.com"}, namespace: "sfs-system",
			want: []string{"-oauth-preset-url", "Signicat/Express, Signicat/Platform"},
		},
		"a preset without TLS": {
			reason: "credentials are sent there", args: []string{"--oauth-preset-url=Signicat/Express=http://a.example.com"}, namespace: "sfs-system",
			want: []string{"-oauth-preset-url", "Signicat/Express must be https://"},
		},
		"a preset with a path": {
			reason: "paths are those of the provider", args: []string{"--oauth-preset-url=Signicat/Express=https://a.example.com/x"}, namespace: "sfs-system",
			want: []string{"-oauth-preset-url", "nothing else"},
		},
		"a selector that is none": {
			reason: "it would match something else, or nothing", args: []string{"--watch-label-selector=shard in b"}, namespace: "sfs-system",
			want: []string{"-watch-label-selector", `"shard in b"`},
		},
		"a selector of a label that can not be": {
			reason: "nothing would ever match", args: []string{"--watch-label-selector=shard=two words"}, namespace: "sfs-system",
			want: []string{"-watch-label-selector", "two words"},
		},
		"a lease that can not be": {
			reason: "nobody would ever lead", args: []string{"--leader-election-id=Shard_B"}, namespace: "sfs-system",
			want: []string{"--leader-election-id", `"Shard_B"`, "lower case"},
		},
		"metrics without a port": {
			reason: "they could not be served", args: []string{"--metrics-bind-address=localhost"}, namespace: "sfs-system",
			want: []string{"--metrics-bind-address", "missing port"},
		},
		"probes without a port": {
			reason: "they could not be served", args: []string{"--health-probe-bind-address=localhost"}, namespace: "sfs-system",
			want: []string{"--health-probe-bind-address", "missing port"},
		},
		"no probes": {
			reason: "without them a Pod is never ready", args: []string{"--health-probe-bind-address=0"}, namespace: "sfs-system",
			want: []string{"--health-probe-bind-address"},
		},
		"nobody works": {
			reason: "nothing would ever happen", args: []string{"--max-concurrent-reconciles=0"}, namespace: "sfs-system",
			want: []string{"--max-concurrent-reconciles", "1 to 1024", "not 0"},
		},
		"too many work": {
			reason: "it is more likely a mistake", args: []string{"--max-concurrent-reconciles=1025"}, namespace: "sfs-system",
			want: []string{"--max-concurrent-reconciles", "1 to 1024", "not 1025"},
		},
		"a number in words": {
			reason: "it is none", args: []string{"--max-concurrent-reconciles=many"}, namespace: "sfs-system",
			want: []string{"-max-concurrent-reconciles", `"many"`},
		},
		"a lease that is too short": {
			reason: "it could not be renewed in time", args: []string{"--leader-election-lease-duration=2999ms"}, namespace: "sfs-system",
			want: []string{"--leader-election-lease-duration", "at least 3s", "2.999s"},
		},
		"a lease without a unit": {
			reason: "it is no duration", args: []string{"--leader-election-lease-duration=15"}, namespace: "sfs-system",
			want: []string{"-leader-election-lease-duration", `"15"`},
		},
		"a shutdown before it began": {
			reason: "controller-runtime would wait for ever", args: []string{"--graceful-shutdown-timeout=-1ns"}, namespace: "sfs-system",
			want: []string{"--graceful-shutdown-timeout", "negative"},
		},
		"an unknown format": {
			reason: "the message lists those that there are", args: []string{"--log-format=yaml"}, namespace: "sfs-system",
			want: []string{"--log-format", "json or text", `"yaml"`},
		},
		"an unknown level": {
			reason: "it is none of slog's", args: []string{"--log-level=loud"}, namespace: "sfs-system", want: []string{"-log-level", `"loud"`},
		},
		"a log level below debug": {
			reason: "the Kubernetes client would log the bodies of its requests, Secrets and all",
			args:   []string{"--log-level=debug-4"}, namespace: "sfs-system", want: []string{"--log-level", "debug"},
		},
		"a truth value in words": {
			reason: "it is none", args: []string{"--leader-elect=maybe"}, namespace: "sfs-system", want: []string{"-leader-elect", `"maybe"`},
		},
		"an unknown flag": {
			reason: "it may be a typing error", args: []string{"--leader-elected"}, namespace: "sfs-system", want: []string{"-leader-elected"},
		},
		"an argument": {
			reason: "what comes after it would be ignored", args: []string{"run", "--log-level=debug"}, namespace: "sfs-system",
			want: []string{"unexpected argument", `"run"`},
		},
		"everything at once": {
			reason: "whoever corrects a manifest wants to know all of it",
			args: []string{
				"--metrics-bind-address=x", "--health-probe-bind-address=y", "--max-concurrent-reconciles=-1",
				"--leader-election-lease-duration=1s", "--graceful-shutdown-timeout=-1s", "--log-format=xml",
			},
			want: []string{
				"--platform-namespace", "--metrics-bind-address", "--health-probe-bind-address", "--max-concurrent-reconciles",
				"--leader-election-lease-duration", "--graceful-shutdown-timeout", "--log-format",
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := options.Parse(test.args, podNamespace(test.namespace), io.Discard)
			if err == nil || errors.Is(err, flag.ErrHelp) {
				t.Fatalf("got %v, though %s", err, test.reason)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not contain %q", err, want)
				}
			}
		})
	}
}

// A message that changes with each start can not be searched for.
func TestTheSameMistakesAreToldInTheSameOrder(t *testing.T) {
	t.Parallel()
	args := []string{"--metrics-bind-address=x", "--health-probe-bind-address=y"}
	_, first := options.Parse(args, podNamespace("sfs-system"), io.Discard)
	for range 100 {
		if _, err := options.Parse(args, podNamespace("sfs-system"), io.Discard); err.Error() != first.Error() {
			t.Fatalf("got %q after %q", err, first)
		}
	}
}

func TestTheFlagIsStrongerThanTheEnvironment(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{"from-env": nil, "from-flag": {"--platform-namespace=from-flag"}} {
		o, err := options.Parse(args, podNamespace("from-env"), io.Discard)
		if err != nil || o.PlatformNamespace != want {
			t.Errorf("got %q, %v, want %q", o.PlatformNamespace, err, want)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"-h", "--help"} {
		var said bytes.Buffer
		if _, err := options.Parse([]string{arg}, podNamespace(""), &said); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%s: got %v", arg, err)
		}
		for _, name := range []string{
			"metrics-bind-address", "metrics-secure", "health-probe-bind-address", "leader-elect", "leader-election-lease-duration",
			"leader-election-id", "platform-namespace", "watch-namespaces", "watch-label-selector", "max-concurrent-reconciles", "record-token-times", "graceful-shutdown-timeout", "log-format", "log-level", "version",
		} {
			if !strings.Contains(said.String(), "\n  -"+name) {
				t.Errorf("%s does not speak of --%s: %s", arg, name, &said)
			}
		}
	}
}

func TestTheVersionIsShownWhateverElseIsMissing(t *testing.T) {
	t.Parallel()
	o, err := options.Parse([]string{"--version"}, podNamespace(""), io.Discard)
	if err != nil || !o.ShowVersion {
		t.Errorf("got %t, %v", o.ShowVersion, err)
	}
}

func TestLogHandler(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level][]string{
		slog.LevelDebug: {"DEBUG", "INFO", "WARN", "ERROR"},
		slog.LevelInfo:  {"INFO", "WARN", "ERROR"},
		slog.LevelWarn:  {"WARN", "ERROR"},
		slog.LevelError: {"ERROR"},
	} {
		for format, levelOf := range map[string]func(t *testing.T, line string) string{"json": jsonLevel, "text": textLevel} {
			var out bytes.Buffer
			logger := slog.New(options.Options{LogFormat: format, LogLevel: level}.LogHandler(&out))
			for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
				logger.Log(t.Context(), l, "Said", "key", "value")
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				got = append(got, levelOf(t, line))
			}
			if !slices.Equal(got, want) {
				t.Errorf("level %s as %s logs %v, want %v", level, format, got, want)
			}
		}
	}
}

func jsonLevel(t *testing.T, line string) string {
	t.Helper()
	var said struct{ Level, Msg, Key string }
	if err := json.Unmarshal([]byte(line), &said); err != nil || said.Msg != "Said" || said.Key != "value" {
		t.Errorf("%q is not the JSON that was logged: %v", line, err)
	}
	return said.Level
}

func textLevel(t *testing.T, line string) string {
	t.Helper()
	_, rest, _ := strings.Cut(line, " level=")
	level, rest, _ := strings.Cut(rest, " ")
	if rest != "msg=Said key=value\n" {
		t.Errorf("%q is not the text that was logged", line)
	}
	return level
}
