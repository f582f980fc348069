// Enhancements; every page works without them.
import { startDialogs } from "./dialogs.js";
import { startLive } from "./live.js";
import { startSmallThings } from "./small.js";

startDialogs();
startLive();
startSmallThings();
