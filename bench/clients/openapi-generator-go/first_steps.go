// The first steps, with the Go client that openapi-generator makes.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"program/watchkeeper"
)

// of is what a call gave, which has to have succeeded.
func of[T any, R any](value T, _ R, err error) T {
	if err != nil {
		if refused, ok := err.(*watchkeeper.GenericOpenAPIError); ok {
			panic(fmt.Sprintf("%v: %s", err, refused.Body()))
		}
		panic(err)
	}
	return value
}

func demand(isTrue bool, what string, facts ...any) {
	if !isTrue {
		panic(fmt.Sprint(what, facts))
	}
}

// until asks until something is true, for a minute at most.
func until(what string, isTrue func() bool) {
	for end := time.Now().Add(time.Minute); !isTrue(); time.Sleep(200 * time.Millisecond) {
		demand(time.Now().Before(end), "not within a minute: "+what)
	}
	fmt.Println(what)
}

func with(token string) context.Context {
	return context.WithValue(context.Background(), watchkeeper.ContextAccessToken, token)
}

func main() {
	configuration := watchkeeper.NewConfiguration()
	configuration.Servers = watchkeeper.ServerConfigurations{{URL: os.Getenv("WATCHKEEPER_URL")}}
	client := watchkeeper.NewAPIClient(configuration)
	nobody := context.Background()

	// Sign up, sign in, and make a key.
	email, password := os.Getenv("EMAIL"), os.Getenv("PASSWORD")
	user := watchkeeper.NewRegistration(email, password)
	user.SetSetupToken(os.Getenv("SETUP_TOKEN"))
	demand(of(client.AuthAPI.Register(nobody).Registration(*user).Execute()).IsAdmin, "the first user is no admin")
	credentials := watchkeeper.NewLogin(password)
	credentials.SetEmail(email)
	tokens := of(client.AuthAPI.Login(nobody).Login(*credentials).Execute())
	draft := watchkeeper.NewApiKeyDraft("first steps")
	draft.SetRole(watchkeeper.ROLE_ADMIN)
	key := of(client.APIKeysAPI.CreateApiKey(with(tokens.AccessToken)).ApiKeyDraft(*draft).Execute())
	ctx := with(key.Key)

	// A channel, tested.
	webhook := watchkeeper.NewWebhookConfigDraft(os.Getenv("RECEIVER_URL"))
	receiver := watchkeeper.NewWebhookChannelDraft("webhook", "Receiver", *webhook)
	receiver.SetIsDefault(true)
	channels := client.NotificationChannelsAPI
	wanted := watchkeeper.WebhookChannelDraftAsChannelDraft(receiver)
	channel := of(channels.CreateChannel(ctx).ChannelDraft(wanted).Execute())
	demand(of(channels.TestChannel(ctx, channel.Id).Execute()).Ok, "the test was not delivered")

	// A monitor that is up.
	monitors := client.MonitorsAPI
	add := func(name, url string) *watchkeeper.Monitor {
		one := watchkeeper.NewHttpMonitorDraft("http", name, *watchkeeper.NewHttpConfigDraft(url))
		one.SetInterval(5)
		return of(monitors.CreateMonitor(ctx).MonitorDraft(watchkeeper.HttpMonitorDraftAsMonitorDraft(one)).Execute())
	}
	isUp := func(id string) func() bool {
		return func() bool { return of(monitors.GetMonitor(ctx, id).Execute()).Status == watchkeeper.STATUS_UP }
	}
	good := add("Website", os.Getenv("WATCHED_URL"))
	until("the monitor is up", isUp(good.Id))
	beats := of(client.HeartbeatsAPI.ListMonitorHeartbeats(ctx, good.Id).Execute()).Heartbeats.Heartbeats
	demand(beats[0].Status == watchkeeper.STATUS_UP, "the newest heartbeat is not up", beats[0])
	patch := watchkeeper.NewMonitorPatch()
	patch.SetName("Our website")
	renamed := of(monitors.UpdateMonitor(ctx, good.Id).MonitorPatch(*patch).Execute())
	demand(renamed.Name == "Our website" && *renamed.Interval.Get() == 5, "not renamed", renamed)

	// One that is down: its incident is acknowledged, and the channel was alerted.
	incidents := func(status watchkeeper.IncidentStatus) []watchkeeper.Incident {
		return of(client.IncidentsAPI.ListIncidents(ctx).Status(status).Execute()).Incidents.Incidents
	}
	add("Broken", os.Getenv("BROKEN_URL"))
	until("there is an incident", func() bool { return len(incidents(watchkeeper.INCIDENTSTATUS_OPEN)) == 1 })
	incident := incidents(watchkeeper.INCIDENTSTATUS_OPEN)[0]
	story := of(client.IncidentsAPI.AcknowledgeIncident(ctx, incident.Id).Execute())
	demand(story.Status == watchkeeper.INCIDENTSTATUS_ACKNOWLEDGED, "not acknowledged", story)
	demand(incidents(watchkeeper.INCIDENTSTATUS_ACKNOWLEDGED)[0].Id == incident.Id, "another was acknowledged")
	until("the receiver was alerted", func() bool {
		request := client.DeliveriesAPI.ListDeliveries(ctx).Event(watchkeeper.EVENTKIND_MONITOR_DOWN).State("sent")
		return of(request.Execute()).Deliveries.Total == 1
	})

	// A job that reports by itself.
	backup := watchkeeper.NewPushMonitorDraft("push", "Backup", *watchkeeper.NewPushConfigDraft())
	backup.SetInterval(3600)
	job := of(monitors.CreateMonitor(ctx).MonitorDraft(watchkeeper.PushMonitorDraftAsMonitorDraft(backup)).Execute())
	pinged := of(client.PushAPI.PushHeartbeat(nobody, job.Config.PushConfig.GetToken()).Msg("42 files").Execute())
	demand(pinged.GetOk(), "the report was not stored")
	until("the job reported", isUp(job.Id))

	// Everything is removed again.
	everything := of(monitors.ListMonitors(ctx).Execute()).Monitors.Monitors
	names := []string{}
	for _, one := range everything {
		names = append(names, one.Name)
		if _, err := monitors.DeleteMonitor(ctx, one.Id).Execute(); err != nil {
			panic(err)
		}
	}
	sort.Strings(names)
	demand(strings.Join(names, ", ") == "Backup, Broken, Our website", "other monitors", names)
	if _, err := channels.DeleteChannel(ctx, channel.Id).Execute(); err != nil {
		panic(err)
	}
	demand(of(monitors.ListMonitors(ctx).Execute()).Monitors.Total == 0, "monitors are left")
	_, _, err := monitors.GetMonitor(ctx, good.Id).Execute()
	refused, ok := err.(*watchkeeper.GenericOpenAPIError)
	demand(ok && strings.Contains(string(refused.Body()), "RESOURCE_NOT_FOUND"), "not refused", err)
	fmt.Println("done")
}
