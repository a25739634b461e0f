// A React hook: the plant, live. Null before the first message; otherwise the state that
// hoymiles-stream.js describes.
//
//   function Power() {
//     const bridge = useHoymiles("ws://192.168.1.5:8080/api/ws");
//     return <p>{bridge?.plant?.pv_power ?? "–"} W, {bridge?.status}</p>;
//   }
import { useEffect, useState } from "react";
import { followBridge } from "./hoymiles-stream.js";

export function useHoymiles(url, token = null) {
  const [state, setState] = useState(null);
  useEffect(() => {
    const follower = followBridge(url, { token, onChange: setState });
    return () => follower.stop();
  }, [url, token]);
  return state;
}
