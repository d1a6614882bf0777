// Command simulator serves a simulated Sendforsign API on a loopback address, for demos and for tests from outside of Go; on
// demand Signicat, Secured Signing and another OAuth provider as well. It prints the base URLs; the credentials and the
// certificate authority, which is the same for all, go into files.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sendforsign/sfs-operator/sendforsign"
	"github.com/sendforsign/sfs-operator/sendforsign/sfstest"
)

func main() {
	if err := run(os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "simulator:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	// A flag set of its own, because net/http/httptest adds a flag to the default one.
	flags := flag.NewFlagSet("simulator", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "loopback `host:port` to listen on")
	lifetime := flags.Duration("token-lifetime", 30*time.Minute, "life of a token")
	latency := flags.Duration("latency", 0, "time that every call takes")
	credentialsFile := flags.String("credentials-file", "", "`file` to write the API key and the secret to, as JSON")
	http2 := flags.Bool("http2", false, "speak HTTP/2 with clients that ask for it")
	control := flags.String("control-addr", "", "loopback `host:port` where accounts are added, tokens get another life and calls are counted (control.go)")
	oauthAddr := flags.String("oauth-addr", "", "loopback `host:port` where the OAuth providers are; empty: they are not served")
	oauthCredentialsFile := flags.String("oauth-credentials-file", "", "`file` to write a client of each OAuth provider to, as JSON")
	caFile := flags.String("ca-file", "", "`file` to write the certificate authority to, as PEM")
	if err := flags.Parse(args); err != nil {
		return err
	}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)

	options := []sfstest.Option{sfstest.WithAddr(*addr), sfstest.WithTokenLifetime(*lifetime)}
	if *http2 {
		options = append(options, sfstest.WithHTTP2())
	}
	server, err := sfstest.Start(options...)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	defer server.Close()
	if *latency > 0 {
		server.Inject(sfstest.Fault{Latency: *latency})
	}
	if *credentialsFile != "" {
		if err := writeCredentials(*credentialsFile, server.Credentials()); err != nil {
			return fmt.Errorf("writing credentials: %w", err)
		}
	}
	if *caFile != "" {
		if err := os.WriteFile(*caFile, server.CABundle(), 0o644); err != nil { //nolint:gosec // a certificate is public
			return fmt.Errorf("writing certificate authority: %w", err)
		}
	}
	if *control != "" {
		end, err := serveControl(*control, server)
		if err != nil {
			return fmt.Errorf("serving the control: %w", err)
		}
		defer end()
	}
	fmt.Println(server.BaseURL())
	if *oauthAddr != "" {
		others, err := startOAuth(*oauthAddr, *oauthCredentialsFile)
		if err != nil {
			return err
		}
		defer others.Close()
		fmt.Println(others.URL())
	}
	<-stop
	return nil
}

func writeCredentials(path string, c sendforsign.Credentials) error {
	return writeSecret(path, map[string]string{"apiKey": c.APIKey.Reveal(), "secret": c.Secret.Reveal()})
}

// writeSecret replaces the file, so that one with a wider mode does not keep it.
func writeSecret(path string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o600)
}
