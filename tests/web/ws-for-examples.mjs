// Gives the Node example a WebSocket where Node has none, as `npm install` in examples/javascript does.
import WebSocket from "ws";

globalThis.WebSocket ??= WebSocket;
