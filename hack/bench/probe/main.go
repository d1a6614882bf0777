// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command probe is the floor that the operator is measured against: the least that keeps a token alive for each tenant. It
// watches SfsClients and its Secrets as metadata only, and has a time for each tenant in a queue. When that comes it makes one
// call to Sendforsign and one patch of a Secret, and with -status one of a status. It makes no client, checks nothing, and
// handles no failure but by trying again.
package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"

	"github.com/sendforsign/sfs-operator/api/v1alpha1"
	"github.com/sendforsign/sfs-operator/internal/token"
	"github.com/sendforsign/sfs-operator/sendforsign"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

type probe struct {
	namespace string
	status    bool

	secrets  kubernetes.Interface
	dynamic  dynamic.Interface
	tenants  cache.SharedIndexInformer
	own      cache.SharedIndexInformer // the Secrets
	queue    workqueue.TypedDelayingInterface[string]
	api      *sendforsign.API
	platform *token.Source[sendforsign.Secret]
}

// retry is after how long what failed is tried again.
const retry = time.Second

func run(ctx context.Context, args []string) error {
	p := &probe{}
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.StringVar(&p.namespace, "namespace", "", "where the SfsClients are")
	flags.BoolVar(&p.status, "status", false, "write the times of a token to the status of its SfsClient as well")
	baseURL := flags.String("base-url", "", "of the API of Sendforsign")
	caFile := flags.String("ca-file", "", "`file` with the authority to trust")
	credentialsFile := flags.String("credentials-file", "", "`file` with apiKey and secret, as JSON")
	workers := flags.Int("workers", 64, "how many tenants are worked on at a time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := p.connect(*baseURL, *caFile, *credentialsFile); err != nil {
		return err
	}
	return p.work(ctx, *workers)
}

func (p *probe) connect(baseURL, caFile, credentialsFile string) error {
	ca, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	if p.api, err = sendforsign.New(baseURL, sendforsign.WithRootCAs(pool)); err != nil {
		return err
	}
	text, err := os.ReadFile(credentialsFile)
	if err != nil {
		return err
	}
	var pair struct{ APIKey, Secret string }
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	credentials := sendforsign.Credentials{APIKey: sendforsign.Secret(pair.APIKey), Secret: sendforsign.Secret(pair.Secret)}
	p.platform = token.NewSource(clock.RealClock{}, func(ctx context.Context) (token.Minted[sendforsign.Secret], error) {
		made, err := p.api.CreatePlatformToken(ctx, credentials)
		return token.Minted[sendforsign.Secret]{Value: made.AccessToken, Life: made.ExpiresIn}, err
	})

	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	config.QPS = -1
	if p.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return err
	}
	binary := rest.CopyConfig(config)
	binary.ContentType = "application/vnd.kubernetes.protobuf"
	if p.secrets, err = kubernetes.NewForConfig(binary); err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	strip := func(o any) (any, error) {
		if partial, is := o.(*metav1.PartialObjectMetadata); is {
			partial.ManagedFields = nil
		}
		return o, nil
	}
	informer := func(resource string, labels string) (cache.SharedIndexInformer, error) {
		gvr := v1alpha1.GroupVersion.WithResource(resource)
		if resource == "secrets" {
			gvr = corev1.SchemeGroupVersion.WithResource(resource)
		}
		i := metadatainformer.NewFilteredMetadataInformer(meta, gvr, p.namespace, 0, cache.Indexers{},
			func(o *metav1.ListOptions) { o.LabelSelector = labels }).Informer()
		return i, i.SetTransform(strip)
	}
	if p.tenants, err = informer("sfsclients", ""); err != nil {
		return err
	}
	p.own, err = informer("secrets", v1alpha1.ManagedByLabel)
	return err
}

func (p *probe) work(ctx context.Context, workers int) error {
	p.queue = workqueue.NewTypedDelayingQueue[string]()
	if _, err := p.tenants.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { p.queue.Add(o.(*metav1.PartialObjectMetadata).Name) },
	}); err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { p.own.RunWithContext(ctx) })
	if !cache.WaitForCacheSync(ctx.Done(), p.own.HasSynced) {
		return ctx.Err()
	}
	running.Go(func() { p.tenants.RunWithContext(ctx) })
	for range workers {
		running.Go(func() {
			for {
				name, over := p.queue.Get()
				if over {
					return
				}
				after := p.serve(ctx, name)
				p.queue.Done(name)
				if after > 0 {
					p.queue.AddAfter(name, after)
				}
			}
		})
	}
	<-ctx.Done()
	p.queue.ShutDown()
	running.Wait()
	return nil
}

// serve looks at a tenant, and returns when to come back; 0: not again.
func (p *probe) serve(ctx context.Context, name string) time.Duration {
	key := p.namespace + "/" + name
	found, exists, _ := p.tenants.GetStore().GetByKey(key)
	if !exists {
		return 0
	}
	tenant := found.(*metav1.PartialObjectMetadata)
	secret, exists, _ := p.own.GetStore().GetByKey(p.namespace + "/" + secretName(name))
	if exists {
		at := secret.(*metav1.PartialObjectMetadata).Annotations
		if wait := time.Until(renewal(tenant, at)); wait > 0 {
			return wait
		}
	}
	made, err := p.renew(ctx, tenant, exists)
	if err != nil {
		if ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "probe: %s: %v\n", name, err)
		}
		return retry
	}
	return max(time.Until(renewal(tenant, made)), time.Millisecond)
}

func secretName(tenant string) string { return tenant + "-token" }

// renewal is when a token is due, by the annotations of its Secret: as the operator has it, so that both have as much to do.
func renewal(tenant *metav1.PartialObjectMetadata, annotations map[string]string) time.Time {
	issued, _ := time.Parse(time.RFC3339, annotations[v1alpha1.IssuedAtAnnotation])
	expires, _ := time.Parse(time.RFC3339, annotations[v1alpha1.ExpiresAtAnnotation])
	return token.Policy{}.RenewalTime(token.Token{Issued: issued, Expires: expires, Owner: string(tenant.UID)})
}

// renew returns the annotations of the Secret.
func (p *probe) renew(ctx context.Context, tenant *metav1.PartialObjectMetadata, exists bool) (map[string]string, error) {
	platform, err := p.platform.Get(ctx)
	if err != nil {
		return nil, err
	}
	clientKey := tenant.Annotations["bench/client-key"]
	issued := time.Now().UTC().Truncate(time.Millisecond)
	made, err := p.api.CreateClientToken(ctx, platform, clientKey)
	if err != nil {
		return nil, err
	}
	const precise = "2006-01-02T15:04:05.000Z07:00"
	expires := issued.Add(made.ExpiresIn)
	annotations := map[string]string{
		v1alpha1.IssuedAtAnnotation: issued.Format(precise), v1alpha1.ExpiresAtAnnotation: expires.Format(precise),
	}
	// What the Secret of the operator holds, so that both write as many bytes.
	data := map[string][]byte{
		v1alpha1.KeyToken: []byte(made.AccessToken.Reveal()), v1alpha1.KeyTokenType: []byte(made.TokenType),
		v1alpha1.KeyIssuedAt: []byte(issued.Format(time.RFC3339)), v1alpha1.KeyExpiresAt: []byte(expires.Format(time.RFC3339)),
		v1alpha1.KeyClientKey: []byte(clientKey), v1alpha1.KeyBaseURL: []byte(p.api.BaseURL()),
	}
	if err := p.publish(ctx, tenant, exists, annotations, data); err != nil {
		return nil, err
	}
	if !p.status {
		return annotations, nil
	}
	patch := fmt.Appendf(nil, `{"status":{"token":{"secretRef":{"name":%q},"issuedTime":%q,"expirationTime":%q,"renewalTime":%q,"revision":%d}}}`,
		secretName(tenant.Name), issued.Format(time.RFC3339), expires.Format(time.RFC3339),
		renewal(tenant, annotations).UTC().Format(time.RFC3339), issued.UnixMilli())
	_, err = p.dynamic.Resource(v1alpha1.GroupVersion.WithResource("sfsclients")).Namespace(p.namespace).
		Patch(ctx, tenant.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	return annotations, err
}

func (p *probe) publish(
	ctx context.Context, tenant *metav1.PartialObjectMetadata, exists bool, annotations map[string]string, data map[string][]byte,
) error {
	secrets := p.secrets.CoreV1().Secrets(p.namespace)
	if !exists {
		controller := true
		_, err := secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: secretName(tenant.Name), Annotations: annotations, Labels: map[string]string{v1alpha1.ManagedByLabel: "probe"},
				OwnerReferences: []metav1.OwnerReference{{
					APIVersion: v1alpha1.GroupVersion.String(), Kind: "SfsClient", Name: tenant.Name, UID: tenant.UID, Controller: &controller,
				}},
			},
			Data: data,
		}, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}, "data": data})
	if err != nil {
		return err
	}
	_, err = secrets.Patch(ctx, secretName(tenant.Name), types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
