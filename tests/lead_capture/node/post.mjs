// Posts one event of each kind with the SDK named: node post.mjs segment|rudderstack URL WRITE_KEY
const [sdk, url, writeKey] = process.argv.slice(2);

function send(client) {
  client.identify({ userId: "node-user", traits: { email: "Node@Example.com", phone: "+442079460018" } });
  client.track({ userId: "node-user", event: "Clicked", properties: { button: "buy" } });
  client.page({ userId: "node-user", name: "Pricing", properties: { url: "https://shop.example/pricing" } });
  client.screen({ userId: "node-user", name: "Home" });
  client.group({ userId: "node-user", groupId: "acme", traits: { name: "Acme" } });
  client.alias({ userId: "node-user", previousId: "anonymous-node" });
  client.track({
    userId: "node-user",
    event: "Order Completed",
    properties: { order_id: `node-${sdk}`, total: 12.5, currency: "GBP", products: [{ sku: "a", price: 12.5, quantity: 1 }] },
  });
}

if (sdk === "segment") {
  const { Analytics } = await import("@segment/analytics-node");
  const client = new Analytics({ writeKey, host: url, maxRetries: 0 });
  client.on("error", (error) => {
    console.error(error);
    process.exitCode = 1;
  });
  send(client);
  await client.closeAndFlush({ timeout: 10_000 });
} else {
  const { default: RudderAnalytics } = await import("@rudderstack/rudder-sdk-node");
  const client = new RudderAnalytics(writeKey, { dataPlaneUrl: url, flushAt: 100 });
  send(client);
  await new Promise((resolve, reject) => client.flush((error) => (error ? reject(error) : resolve())));
  process.exit(0);
}
