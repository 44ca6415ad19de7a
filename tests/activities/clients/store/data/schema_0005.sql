BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0005');
CREATE TABLE audit (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	loop VARCHAR NOT NULL, 
	plan_id VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	hash VARCHAR NOT NULL
);
INSERT INTO "audit" VALUES(1,'charter','','mode','{"at":302.25,"kind":"mode","loop":"charter","plan_id":"","knob":"","key":"","step":null,"direction":"","phase":"","attempt":0,"status":null,"generation_before":null,"generation_after":null,"worker":"","who":"text 300","text":"observe until 4000000000: text 301"}','363a4dd0be6845dc0355e2f5cb1cbc87f3afab8e06ae6cf2f511de53ff50cfc7');
INSERT INTO "audit" VALUES(2,'charter','9ee79855c0bb','attempt','{"at":1030.0,"kind":"attempt","loop":"charter","plan_id":"9ee79855c0bb","knob":"committee","key":"text 314","step":0,"direction":"do","phase":"before","attempt":1,"status":200,"generation_before":315,"generation_after":316,"worker":"text 317","who":"text 318","text":"text 319"}','7bce992bcfcea3742bc135c9985f230727e619daafe4d86838a691ad34466643');
INSERT INTO "audit" VALUES(3,'charter','9ee79855c0bb','attempt','{"at":1031.0,"kind":"attempt","loop":"charter","plan_id":"9ee79855c0bb","knob":"committee","key":"text 320","step":0,"direction":"do","phase":"after","attempt":1,"status":200,"generation_before":321,"generation_after":322,"worker":"text 323","who":"text 324","text":"text 325"}','a46fb9cf037eb65c4565a19a2bc098ffee60616229466c539b85d9d8ca2866f6');
INSERT INTO "audit" VALUES(4,'charter','9ee79855c0bb','approval','{"at":1025.0,"kind":"approval","loop":"charter","plan_id":"9ee79855c0bb","knob":"committee","key":"","step":null,"direction":"","phase":"","attempt":0,"status":null,"generation_before":null,"generation_after":null,"worker":"","who":"ann","text":"approved: yes"}','84ac29dcb452e1ba06b21a9fc4d9590fbff39dbef637a9552db201a08d613051');
INSERT INTO "audit" VALUES(5,'charter','','frozen','{"at":1026.0,"kind":"frozen","loop":"charter","plan_id":"","knob":"committee","key":"","step":null,"direction":"","phase":"","attempt":0,"status":null,"generation_before":null,"generation_after":null,"worker":"","who":"","text":"frozen for another 60 s"}','c98376c49dd624753e96769d156ca28f9301ec61586768eb3b38e0a450d4f156');
INSERT INTO "audit" VALUES(6,'charter','9ee79855c0bb','ending','{"at":1100.0,"kind":"ending","loop":"charter","plan_id":"9ee79855c0bb","knob":"committee","key":"","step":null,"direction":"","phase":"","attempt":0,"status":null,"generation_before":null,"generation_after":null,"worker":"","who":"","text":"rolled_back: text 332; quarantined: undo failed"}','055dd923f87b095c1bac88704052d814028881a567f8c6943c900a98c385688a');
INSERT INTO "audit" VALUES(7,'charter','','quarantine','{"at":1200.0,"kind":"quarantine","loop":"charter","plan_id":"","knob":"committee","key":"","step":null,"direction":"","phase":"","attempt":0,"status":null,"generation_before":null,"generation_after":null,"worker":"","who":"bob","text":"released: repaired"}','03487bb22cb07624d49e943e39e1e645a341ad8be8baad9fd263837680eb834e');
INSERT INTO "audit" VALUES(8,'charter','','quarantine','{"at":1210.0,"kind":"quarantine","loop":"charter","plan_id":"","knob":"admission","key":"","step":null,"direction":"","phase":"","attempt":0,"status":null,"generation_before":null,"generation_after":null,"worker":"","who":"","text":"quarantined: undo failed"}','3f80c0d88e13e2277bef652552f4109406ad2b860290b1fe8c89730e1b5ee602');
INSERT INTO "audit" VALUES(9,'charter','','storm','{"at":1300.0,"kind":"storm","loop":"charter","plan_id":"","knob":"","key":"","step":null,"direction":"","phase":"","attempt":0,"status":null,"generation_before":null,"generation_after":null,"worker":"","who":"","text":"entered: text 336"}','1440e245726c0368cb7cad033846fc25de296ecea73fff4d7088565c2e1eb29e');
CREATE TABLE decisions (
	cycle_id VARCHAR NOT NULL, 
	loop VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	snapshot VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (cycle_id)
);
INSERT INTO "decisions" VALUES('mapek-cycle:charter-1','charter',1000.0,'22a59ec85998076b45d34b26dfd8377dc5c43d3154ba83aa31fe9d950e19af48','{"outcome":"planned","headline":"planned SCALE_UP committee (replicas 6): score +0.48; validation_latency on committee 0.85","diagnosis":{"headline":"validation_latency on committee 0.85: 5 of 5 validators above 1 s, 0 of them failing","at":1700000595.0,"confidence":0.8892,"patterns":[{"kind":"temporal","components":["validator-1"],"metrics":["validation_latency_seconds"],"confidence":0.85,"evidence":{"start":1700000535.0,"end":1700000595.0,"count":4,"samples":[["validator-1","validation_latency_seconds",1700000595.0,2.4],["validator-1","validation_latency_seconds",1700000580.0,2.4],["validator-1","validation_latency_seconds",1700000565.0,2.4],["validator-1","validation_latency_seconds",1700000550.0,2.4]],"text":"4 ≥ 3 violations on validator-1 in 60 s","features":[],"strength":0.2877},"prior":null},{"kind":"temporal","components":["validator-2"],"metrics":["validation_latency_seconds"],"confidence":0.85,"evidence":{"start":1700000535.0,"end":1700000595.0,"count":4,"samples":[["validator-2","validation_latency_seconds",1700000595.0,2.4],["validator-2","validation_latency_seconds",1700000580.0,2.4],["validator-2","validation_latency_seconds",1700000565.0,2.4],["validator-2","validation_latency_seconds",1700000550.0,2.4]],"text":"4 ≥ 3 violations on validator-2 in 60 s","features":[],"strength":0.2877},"prior":null},{"kind":"temporal","components":["validator-3"],"metrics":["validation_latency_seconds"],"confidence":0.85,"evidence":{"start":1700000535.0,"end":1700000595.0,"count":4,"samples":[["validator-3","validation_latency_seconds",1700000595.0,2.4],["validator-3","validation_latency_seconds",1700000580.0,2.4],["validator-3","validation_latency_seconds",1700000565.0,2.4],["validator-3","validation_latency_seconds",1700000550.0,2.4]],"text":"4 ≥ 3 violations on validator-3 in 60 s","features":[],"strength":0.2877},"prior":null},{"kind":"temporal","components":["validator-4"],"metrics":["validation_latency_seconds"],"confidence":0.85,"evidence":{"start":1700000535.0,"end":1700000595.0,"count":4,"samples":[["validator-4","validation_latency_seconds",1700000595.0,2.4],["validator-4","validation_latency_seconds",1700000580.0,2.4],["validator-4","validation_latency_seconds",1700000565.0,2.4],["validator-4","validation_latency_seconds",1700000550.0,2.4]],"text":"4 ≥ 3 violations on validator-4 in 60 s","features":[],"strength":0.2877},"prior":null},{"kind":"temporal","components":["validator-5"],"metrics":["validation_latency_seconds"],"confidence":0.85,"evidence":{"start":1700000535.0,"end":1700000595.0,"count":4,"samples":[["validator-5","validation_latency_seconds",1700000595.0,2.4],["validator-5","validation_latency_seconds",1700000580.0,2.4],["validator-5","validation_latency_seconds",1700000565.0,2.4],["validator-5","validation_latency_seconds",1700000550.0,2.4]],"text":"4 ≥ 3 violations on validator-5 in 60 s","features":[],"strength":0.2877},"prior":null},{"kind":"spatial","components":["validator-1","validator-2","validator-3","validator-4","validator-5"],"metrics":["validation_latency_seconds"],"confidence":0.8,"evidence":{"start":1700000580.0,"end":1700000595.0,"count":5,"samples":[["validator-1","validation_latency_seconds",1700000595.0,2.4],["validator-2","validation_latency_seconds",1700000595.0,2.4],["validator-3","validation_latency_seconds",1700000595.0,2.4],["validator-4","validation_latency_seconds",1700000595.0,2.4],["validator-5","validation_latency_seconds",1700000595.0,2.4]],"text":"5 ≥ 3 components violated at once","features":[],"strength":0.5108},"prior":null}],"root_causes":[{"cause":"validation_latency","component":"committee","confidence":0.85,"onset":1700000520.0,"why":"5 of 5 validators above 1 s, 0 of them failing","pairs":[["validator-1","validation_latency_seconds"],["validator-2","validation_latency_seconds"],["validator-3","validation_latency_seconds"],["validator-4","validation_latency_seconds"],["validator-5","validation_latency_seconds"]],"prior":null}],"violations":[{"component":"validator-1","metric":"validation_latency_seconds","value":2.4,"limit":1.0,"bad":"above","severity":"critical","since":1700000520.0,"sources":["metric"]},{"component":"validator-2","metric":"validation_latency_seconds","value":2.4,"limit":1.0,"bad":"above","severity":"critical","since":1700000520.0,"sources":["metric"]},{"component":"validator-3","metric":"validation_latency_seconds","value":2.4,"limit":1.0,"bad":"above","severity":"critical","since":1700000520.0,"sources":["metric"]},{"component":"validator-4","metric":"validation_latency_seconds","value":2.4,"limit":1.0,"bad":"above","severity":"critical","since":1700000520.0,"sources":["metric"]},{"component":"validator-5","metric":"validation_latency_seconds","value":2.4,"limit":1.0,"bad":"above","severity":"critical","since":1700000520.0,"sources":["metric"]}],"blind":[],"digest":"23366a233bcbc362b24cb669e97837b694eb550d78f31eebba465681ac27de66","outlooks":[]},"plans":[{"plan_id":"46e28b82d78a","hash":"46e28b82d78a6fc9a277a1c167686439c147e6ee35534d216e37a0e2efc7e650","loop":"charter","charter":"charter","cycle_id":"mapek-cycle:charter-1","knob":"committee","incident_id":"d26ae0fdf026","rung":0,"cause":"validation_latency","component":"committee","onset":1700000520.0,"generation":0,"actions":[{"type":"SCALE_UP","component":null,"parameters":{"replicas":6},"policy":null,"rollback_of":null,"cost":0.2}],"created_at":1700001000.0,"settle":15.0,"verification":{"targets":[["validator-1","validation_latency_seconds"],["validator-2","validation_latency_seconds"],["validator-3","validation_latency_seconds"],["validator-4","validation_latency_seconds"],["validator-5","validation_latency_seconds"]],"neighbours":["policy-engine","validator-1","validator-2","validator-3","validator-4","validator-5"],"delay":30.0,"interval":15.0,"samples":5,"passes":4,"before":5,"known":[]},"cool_downs":{"kept":300.0,"no_effect":0.0,"rolled_back":900.0},"risk":"low","needs_approval":false,"approval_deadline":86400.0,"confidence":0.85,"cost":0.19999999999999996,"benefit":0.68,"score":0.4800000000000001,"snapshot":"22a59ec85998076b45d34b26dfd8377dc5c43d3154ba83aa31fe9d950e19af48","headline":"SCALE_UP committee (replicas 6): score +0.48; validation_latency on committee 0.85","requested_by":"","leading":["committee","validator-1","validator-2","validator-3","validator-4","validator-5"],"watched":8,"grounds":[{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"spatial","strength":0.5108}],"doubted":false}],"shadow":[],"candidates":[{"cause":"validation_latency","component":"committee","rung":0,"actions":[{"type":"SCALE_UP","component":null,"parameters":{"replicas":6},"policy":null,"rollback_of":null,"cost":0.2}],"cost":0.19999999999999996,"benefit":0.68,"score":0.4800000000000001,"effectiveness":0.8,"lower":0.29287255478582996,"propensity":1.0,"rejected_by":"","reason":""},{"cause":"validation_latency","component":"committee","rung":1,"actions":[{"type":"UPDATE_CONFIGURATION","component":"policy-engine","parameters":{"batch_size":64,"parallelism":8,"timeout":5},"policy":null,"rollback_of":null,"cost":0.15}],"cost":0.15000000000000002,"benefit":0.51,"score":0.36,"effectiveness":0.6,"lower":0.10041805239799428,"propensity":0.0,"rejected_by":"ladder","reason":"rung 1 waits until rung 0 was tried"},{"cause":"validation_latency","component":"committee","rung":2,"actions":[{"type":"THROTTLE_REQUESTS","component":"gateway","parameters":{"rate_limit":300.0},"policy":null,"rollback_of":null,"cost":0.25}],"cost":0.25,"benefit":0.51,"score":0.26,"effectiveness":0.6,"lower":0.10041805239799428,"propensity":0.0,"rejected_by":"ladder","reason":"rung 2 waits until rung 0 was tried"}],"blocks":[],"storm":null}');
INSERT INTO "decisions" VALUES('mapek-cycle:charter:manual-1','charter',1010.0,'22a59ec85998076b45d34b26dfd8377dc5c43d3154ba83aa31fe9d950e19af48','{"outcome":"planned","headline":"text 196","diagnosis":{"headline":"text 197","at":198.25,"confidence":199.25,"patterns":[{"kind":"predictive","components":["text 200"],"metrics":["text 201"],"confidence":202.25,"evidence":{"start":203.25,"end":204.25,"count":205,"samples":[["text 206","text 207",208.25,209.25]],"text":"text 210","features":[211.25],"strength":212.25},"prior":213.25}],"root_causes":[{"cause":"unknown","component":"text 214","confidence":215.25,"onset":216.25,"why":"text 217","pairs":[["text 218","text 219"]],"prior":220.25}],"violations":[{"component":"text 221","metric":"text 222","value":223.25,"limit":224.25,"bad":"either","severity":"info","since":225.25,"sources":["text 226"]}],"blind":[{"component":"text 227","signal":"text 228","kind":"contradictory","detail":"text 229"}],"digest":"text 230","outlooks":[{"component":"text 231","metric":"text 232","limit":233.25,"within":234.25,"probability":235.25}]},"plans":[{"plan_id":"9ee79855c0bb","hash":"9ee79855c0bb2872235072f22eac7922ba0eab8811c80ebde62df7b5231dba31","loop":"charter","charter":"charter","cycle_id":"mapek-cycle:charter:manual-1","knob":"committee","incident_id":"incident0000","rung":1,"cause":"overload","component":"committee","onset":1000.0,"generation":3,"actions":[{"type":"SCALE_UP","component":null,"parameters":{"replicas":6},"policy":null,"rollback_of":null,"cost":0.2}],"created_at":1011.0,"settle":1.25,"verification":{"targets":[["text 2","text 3"]],"neighbours":["text 4"],"delay":5.25,"interval":6.25,"samples":7,"passes":8,"before":9,"known":[["text 10","text 11"]]},"cool_downs":{"kept":12.25,"no_effect":13.25,"rolled_back":14.25},"risk":"high","needs_approval":false,"approval_deadline":15.25,"confidence":16.25,"cost":17.25,"benefit":18.25,"score":19.25,"snapshot":"text 20","headline":"text 21","requested_by":"text 22","leading":["text 23"],"watched":24,"grounds":[{"kind":"predictive","strength":25.25}],"doubted":true}],"shadow":[{"plan_id":"text 236","hash":"text 237","loop":"text 238","charter":"text 239","cycle_id":"text 240","knob":"text 241","incident_id":"text 242","rung":243,"cause":"unknown","component":"text 244","onset":245.25,"generation":246,"actions":[{"type":"UPDATE_CONFIGURATION","component":"text 247","parameters":{"replicas":248},"policy":"text 249","rollback_of":"text 250","cost":251.25}],"created_at":252.25,"settle":253.25,"verification":{"targets":[["text 254","text 255"]],"neighbours":["text 256"],"delay":257.25,"interval":258.25,"samples":259,"passes":260,"before":261,"known":[["text 262","text 263"]]},"cool_downs":{"kept":264.25,"no_effect":265.25,"rolled_back":266.25},"risk":"high","needs_approval":false,"approval_deadline":267.25,"confidence":268.25,"cost":269.25,"benefit":270.25,"score":271.25,"snapshot":"text 272","headline":"text 273","requested_by":"text 274","leading":["text 275"],"watched":276,"grounds":[{"kind":"predictive","strength":277.25}],"doubted":true}],"candidates":[{"cause":"unknown","component":"text 278","rung":279,"actions":[{"type":"UPDATE_CONFIGURATION","component":"text 280","parameters":{"replicas":281},"policy":"text 282","rollback_of":"text 283","cost":284.25}],"cost":285.25,"benefit":286.25,"score":287.25,"effectiveness":288.25,"lower":289.25,"propensity":290.25,"rejected_by":"text 291","reason":"text 292"}],"blocks":[{"rule":"text 293","knob":"text 294","reason":"text 295"}],"storm":{"loop":"text 296","since":297.25,"why":"text 298","calm_since":299.25}}');
CREATE TABLE deliveries (
	notice_id INTEGER NOT NULL, 
	target VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	next_at DOUBLE NOT NULL, 
	PRIMARY KEY (notice_id, target)
);
INSERT INTO "deliveries" VALUES(1,'pager',1,0,1012.0);
INSERT INTO "deliveries" VALUES(2,'chat',0,1,1307.0);
CREATE TABLE effects (
	plan_id VARCHAR NOT NULL, 
	step INTEGER NOT NULL, 
	direction VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (plan_id, step, direction)
);
INSERT INTO "effects" VALUES('9ee79855c0bb',0,'before',1029.0,'{"plan_id":"9ee79855c0bb","step":0,"direction":"before","at":1029.0,"generation":4,"policy_id":"text 326","previous":{"replicas":3},"changed":false,"late":true,"asked":1028.0}');
INSERT INTO "effects" VALUES('9ee79855c0bb',0,'do',1031.0,'{"plan_id":"9ee79855c0bb","step":0,"direction":"do","at":1031.0,"generation":4,"policy_id":"text 327","previous":{"replicas":3},"changed":false,"late":true,"asked":1028.0}');
INSERT INTO "effects" VALUES('9ee79855c0bb',0,'undo',1060.0,'{"plan_id":"9ee79855c0bb","step":0,"direction":"undo","at":1060.0,"generation":4,"policy_id":"text 328","previous":{"replicas":3},"changed":false,"late":true,"asked":1028.0}');
CREATE TABLE evidence (
	id INTEGER NOT NULL, 
	plan_id VARCHAR NOT NULL, 
	loop VARCHAR NOT NULL, 
	cause VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	mark VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	told BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "evidence" VALUES(1,'9ee79855c0bb','charter','overload','SCALE_UP','harm',1100.0,0);
INSERT INTO "evidence" VALUES(2,'dddddddddddd','charter','overload','UPDATE_CONFIGURATION','match',1530.0,0);
CREATE TABLE incidents (
	incident_id VARCHAR NOT NULL, 
	charter VARCHAR NOT NULL, 
	knob VARCHAR NOT NULL, 
	onset DOUBLE NOT NULL, 
	opened_at DOUBLE NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	closed_at DOUBLE, 
	PRIMARY KEY (incident_id)
);
INSERT INTO "incidents" VALUES('80184abf347d','charter','committee',1000.0,1010.0,1010.0,NULL);
INSERT INTO "incidents" VALUES('2a82091f4e53','charter','admission',1005.0,1015.0,1015.0,NULL);
CREATE TABLE knobs (
	charter VARCHAR NOT NULL, 
	knob VARCHAR NOT NULL, 
	loop VARCHAR NOT NULL, 
	cooldown_until DOUBLE NOT NULL, 
	cooldown_why VARCHAR NOT NULL, 
	quarantined BOOLEAN NOT NULL, 
	quarantine_why VARCHAR NOT NULL, released_at DOUBLE DEFAULT '0' NOT NULL, 
	PRIMARY KEY (charter, knob)
);
INSERT INTO "knobs" VALUES('charter','committee','charter',4000000000.0,'rolled back',0,'',1200.0);
INSERT INTO "knobs" VALUES('charter','admission','charter',0.0,'',1,'undo failed',0.0);
CREATE TABLE modes (
	loop VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (loop)
);
INSERT INTO "modes" VALUES('charter','{"loop":"charter","name":"observe","who":"text 300","why":"text 301","at":302.25,"until":4000000000.0,"previous":"stopped","switched":true}');
CREATE TABLE notices (
	id INTEGER NOT NULL, 
	"key" VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	loop VARCHAR NOT NULL, 
	plan_id VARCHAR NOT NULL, 
	opened_at DOUBLE NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	closed_at DOUBLE, 
	version INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "notices" VALUES(1,'text 344','approval','charter','9ee79855c0bb',1010.0,1010.0,1025.0,2,'{"key":"text 344","kind":"approval","loop":"charter","headline":"text 345","details":["text 346"],"knob":"text 347","plan":"9ee79855c0bb","workflow":"text 348","at":1010.0,"closed":"approved"}');
INSERT INTO "notices" VALUES(2,'text 349','storm','charter','',1300.0,1300.0,NULL,1,'{"key":"text 349","kind":"storm","loop":"charter","headline":"text 350","details":["text 351"],"knob":"text 352","plan":"","workflow":"text 353","at":1300.0,"closed":""}');
CREATE TABLE outcome_actions (
	plan_id VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	PRIMARY KEY (plan_id, action), 
	FOREIGN KEY(plan_id) REFERENCES outcomes (plan_id)
);
INSERT INTO "outcome_actions" VALUES('9ee79855c0bb','SCALE_UP');
CREATE TABLE outcomes (
	plan_id VARCHAR NOT NULL, 
	loop VARCHAR NOT NULL, 
	cause VARCHAR NOT NULL, 
	value DOUBLE, 
	at DOUBLE NOT NULL, 
	remembered BOOLEAN NOT NULL, 
	body TEXT NOT NULL, component VARCHAR DEFAULT '' NOT NULL, recheck_at DOUBLE, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "outcomes" VALUES('9ee79855c0bb','charter','overload',0.0,1100.0,1,'{"plan_id":"9ee79855c0bb","loop":"charter","charter":"charter","knob":"committee","actions":["SCALE_UP"],"cause":"overload","component":"committee","ending":"rolled_back","type":"unknown","value":0.0,"before":329,"after":330,"at":1100.0,"seconds":331.25,"headline":"text 332","rechecks":333,"relapsed_at":334.25,"ended":1099.0,"outlasted":true,"grounds":[{"kind":"predictive","strength":335.25}]}','committee',1500.0);
CREATE TABLE plans (
	plan_id VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL, 
	loop VARCHAR NOT NULL, 
	charter VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "plans" VALUES('46e28b82d78a','46e28b82d78a6fc9a277a1c167686439c147e6ee35534d216e37a0e2efc7e650','charter','charter',1000.0,'{"plan_id":"46e28b82d78a","hash":"46e28b82d78a6fc9a277a1c167686439c147e6ee35534d216e37a0e2efc7e650","loop":"charter","charter":"charter","cycle_id":"mapek-cycle:charter-1","knob":"committee","incident_id":"d26ae0fdf026","rung":0,"cause":"validation_latency","component":"committee","onset":1700000520.0,"generation":0,"actions":[{"type":"SCALE_UP","component":null,"parameters":{"replicas":6},"policy":null,"rollback_of":null,"cost":0.2}],"created_at":1700001000.0,"settle":15.0,"verification":{"targets":[["validator-1","validation_latency_seconds"],["validator-2","validation_latency_seconds"],["validator-3","validation_latency_seconds"],["validator-4","validation_latency_seconds"],["validator-5","validation_latency_seconds"]],"neighbours":["policy-engine","validator-1","validator-2","validator-3","validator-4","validator-5"],"delay":30.0,"interval":15.0,"samples":5,"passes":4,"before":5,"known":[]},"cool_downs":{"kept":300.0,"no_effect":0.0,"rolled_back":900.0},"risk":"low","needs_approval":false,"approval_deadline":86400.0,"confidence":0.85,"cost":0.19999999999999996,"benefit":0.68,"score":0.4800000000000001,"snapshot":"22a59ec85998076b45d34b26dfd8377dc5c43d3154ba83aa31fe9d950e19af48","headline":"SCALE_UP committee (replicas 6): score +0.48; validation_latency on committee 0.85","requested_by":"","leading":["committee","validator-1","validator-2","validator-3","validator-4","validator-5"],"watched":8,"grounds":[{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"temporal","strength":0.2877},{"kind":"spatial","strength":0.5108}],"doubted":false}');
INSERT INTO "plans" VALUES('9ee79855c0bb','9ee79855c0bb2872235072f22eac7922ba0eab8811c80ebde62df7b5231dba31','charter','charter',1010.0,'{"plan_id":"9ee79855c0bb","hash":"9ee79855c0bb2872235072f22eac7922ba0eab8811c80ebde62df7b5231dba31","loop":"charter","charter":"charter","cycle_id":"mapek-cycle:charter:manual-1","knob":"committee","incident_id":"incident0000","rung":1,"cause":"overload","component":"committee","onset":1000.0,"generation":3,"actions":[{"type":"SCALE_UP","component":null,"parameters":{"replicas":6},"policy":null,"rollback_of":null,"cost":0.2}],"created_at":1011.0,"settle":1.25,"verification":{"targets":[["text 2","text 3"]],"neighbours":["text 4"],"delay":5.25,"interval":6.25,"samples":7,"passes":8,"before":9,"known":[["text 10","text 11"]]},"cool_downs":{"kept":12.25,"no_effect":13.25,"rolled_back":14.25},"risk":"high","needs_approval":false,"approval_deadline":15.25,"confidence":16.25,"cost":17.25,"benefit":18.25,"score":19.25,"snapshot":"text 20","headline":"text 21","requested_by":"text 22","leading":["text 23"],"watched":24,"grounds":[{"kind":"predictive","strength":25.25}],"doubted":true}');
INSERT INTO "plans" VALUES('96917184695c','96917184695c1194e6ba89130732fd43f278e7c0cd8dbef99956a21bd651b3a6','charter','charter',1011.0,'{"plan_id":"96917184695c","hash":"96917184695c1194e6ba89130732fd43f278e7c0cd8dbef99956a21bd651b3a6","loop":"charter","charter":"charter","cycle_id":"mapek-cycle:charter:manual-2","knob":"committee","incident_id":"incident0000","rung":2,"cause":"overload","component":"committee","onset":1000.0,"generation":3,"actions":[{"type":"SCALE_UP","component":null,"parameters":{"replicas":7},"policy":null,"rollback_of":null,"cost":0.2}],"created_at":1012.0,"settle":26.25,"verification":{"targets":[["text 27","text 28"]],"neighbours":["text 29"],"delay":30.25,"interval":31.25,"samples":32,"passes":33,"before":34,"known":[["text 35","text 36"]]},"cool_downs":{"kept":37.25,"no_effect":38.25,"rolled_back":39.25},"risk":"high","needs_approval":false,"approval_deadline":40.25,"confidence":41.25,"cost":42.25,"benefit":43.25,"score":44.25,"snapshot":"text 45","headline":"text 46","requested_by":"text 47","leading":["text 48"],"watched":49,"grounds":[{"kind":"predictive","strength":50.25}],"doubted":true}');
CREATE TABLE remediations (
	plan_id VARCHAR NOT NULL, 
	charter VARCHAR NOT NULL, 
	began DOUBLE NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "remediations" VALUES('9ee79855c0bb','charter',1020.0,'{"plan_id":"9ee79855c0bb","loop":"charter","knob":"committee","cause":"text 303","component":"text 304","actions":["UPDATE_CONFIGURATION"],"sense":305,"touched":["text 306"],"began":1020.0,"ended":1100.0,"ending":"rolled_back","applied":true,"undone":true,"generation":4}');
INSERT INTO "remediations" VALUES('96917184695c','charter',1021.0,'{"plan_id":"96917184695c","loop":"charter","knob":"admission","cause":"text 307","component":"text 308","actions":["UPDATE_CONFIGURATION"],"sense":309,"touched":["text 310"],"began":1021.0,"ended":311.25,"ending":"text 312","applied":false,"undone":true,"generation":313}');
CREATE TABLE rungs (
	incident_id VARCHAR NOT NULL, 
	plan_id VARCHAR NOT NULL, 
	rung INTEGER NOT NULL, 
	cause VARCHAR NOT NULL, 
	component VARCHAR NOT NULL, 
	ending VARCHAR NOT NULL, 
	PRIMARY KEY (incident_id, plan_id), 
	FOREIGN KEY(incident_id) REFERENCES incidents (incident_id)
);
INSERT INTO "rungs" VALUES('80184abf347d','9ee79855c0bb',1,'overload','committee','rolled_back');
INSERT INTO "rungs" VALUES('2a82091f4e53','96917184695c',2,'overload','committee','');
CREATE TABLE shadows (
	plan_id VARCHAR NOT NULL, 
	loop VARCHAR NOT NULL, 
	knob VARCHAR NOT NULL, 
	cause VARCHAR NOT NULL, 
	component VARCHAR NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	due_at DOUBLE NOT NULL, 
	scored BOOLEAN NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "shadows" VALUES('cccccccccccc','charter','committee','cascade','gateway',1400.0,1520.0,0,'{"plan_id":"cccccccccccc","loop":"charter","cause":"cascade","component":"gateway","knob":"committee","actions":["UPDATE_CONFIGURATION"],"generation":338,"targets":[["text 339","text 340"]],"at":1400.0,"seen_at":1400.0,"due_at":1520.0}');
INSERT INTO "shadows" VALUES('dddddddddddd','charter','committee','overload','gateway',1400.0,1520.0,1,'{"plan_id":"dddddddddddd","loop":"charter","cause":"overload","component":"gateway","knob":"committee","actions":["UPDATE_CONFIGURATION"],"generation":341,"targets":[["text 342","text 343"]],"at":1400.0,"seen_at":1400.0,"due_at":1520.0}');
CREATE TABLE snapshots (
	digest VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	pinned BOOLEAN NOT NULL, 
	body BLOB NOT NULL, 
	PRIMARY KEY (digest)
);
INSERT INTO "snapshots" VALUES('23366a233bcbc362b24cb669e97837b694eb550d78f31eebba465681ac27de66','analysis',1000.0,0,X'789CED9D7B6FA33C16C6BF4AC45FED2E53E50233D348A3FD207DAB88063745C325CB259D6CD5FDEC6B923635195F8E09B36F39C7954249684C9EC7C7F6F10FD3BC7851ED2D67DFA6ED4F781BDE4C7DEF214DF2D85BDEDDFBDEBAC8B2A4AE19F3962FDE86E5AC8CEAA4C8BD25FFB32716A5F5D37E951731ABBC65E87B6954D5ABF553946FF8DFE74D9ABEBD54B2AA8ECAFAFDB58C650FACE46FB97B792FC45BD665C3F89FB32866A5B77C8CD28A3FCDA38C97E4EDA23489A3BA28BFCCBC57DFFA4DF33E6F5AF47953D0E74DA1F7CA9D2ED9364DD6D1D1486E57DDF05D2F2FCA2C4A79A96D4D6C8B9CE575EB9BB7896AF61CED3DDFDB16FC6DFB2F2CDF2439E3CFA3264EEA2F69B1E1FBA26F7EC710BFA3D4EF48F03B9FAD0D82A6DCB535DC06C4230F8D24DFBC3FE335FB94B3EA5897A78FC83FF8C707CC585D266BFED2338F82E7A24CE33644CA9A95ABC3675D9D628C47529D3C7213DA10AB56755173E9874FD31C4E3FE3C1F9891FF76DDD5FEC4195FC87A1172DAFF255CADF9BAFF7ABACE27FD1F0E2E8F840A2DA799F12F1C16057BCD537DBB5FD1991867E2E9E5CB0B38C959B83E462C7CA3289D92A5AD7C98ED1D54F23F21FA3246D4AB6E2B923FE3EEEB1281F923866F9EAF847AB88F7EFD9964C3797E43C57AC93CDB1934BF2A44EF8DB6222EADFEAFC2D8116BBF99C4A377F9C90AC0E13BFB48878CD27593BFFCBB664A4B7AAE3E63855A633BED74F65D16C9EB64DBD2AB6D56ACB5FAAD81ABD6C495BE7B28B3CAEF04B4F8AF4A8BC64DBA2ACE9E5B42707A80CEF82E0268FCFC7FB31CB3F076974B9D5054E8C1D63584827C0B07AB9412804B0F2AC0B2C201AFE88D9D6652E506A0B5838978D64BCB4CBC205B4CCCBC203DCE4CBC2089CFCAB8701E828988507F8589885789C44CCC600CC5CAC8F0FB4D201BC8C4C5C5C46978FF57461EC6004289B0017B3768248D563E5613DE5130C79C41CACBF0354E21F0BFF82CAC5CBBE800EA0E55E40FDB89917D0049CBCCB523C3AD605D48F8F730185E3645C50F198F996AD0774867BBC5CAB7BA3245DB2D5DB87B1030EB0700274AB871764AA1F2BE1EA6D00C9C0474CB92EF1804E2BC042BAE082F1B22EB007686917D801DCBC0B6C034EE2652D1F1DF3023B808F7A81A5E3E45E70F998C997BD0B94867F0AF46BEEE8571F1FF0E00F837052F40BEC0599EAC74FBF2C0D2019F824E897BD07745A013EFA65124C817E193C2040BF0C0E50A15F061BB0D32FA07CC4F4CBE00066FA65908E9D7E99E4D3A05F5017280DFF14E8D7C2D1AF3E3EE0C11F06E1A4E817D80B32D58F9F7E591A4032F049D02F7B0FE8B4027CF4CB249802FD327840807E191CA042BF0C3660A75F40F988E997C101CCF4CB201D3BFD32C9A741BFA02E501AFE29D0AFC0D1AF3E3EE0C11F06E1A4E817D80B32D58F9F7E591A4032F049D02F7B0FE8B4027CF4CB249802FD327840807E191CA042BF0C3660A75F40F988E997C101CCF4CB201D3BFD32C9A741BFA02E501AFE29D0AFD0D1AF3E3EE0C11F06E1A4E817D80B32D58F9F7E591A4032F049D02F7B0FE8B4027CF4CB249802FD327840807E191CA042BF0C3660A75F40F988E997C101CCF4CB201D3BFD32C9A741BFA02E501AFEF1D22FAE803D477B517E56EC927C238A5AF0377FE207FC7B3AC72F4DFA350DE397F5D112675885CDB10A5B6015166015168E5CD8BDEF6DCA246E87DB6FD3C3CF6CCA8FBD3F9987C293403C128A47BE8947BE0B476653E1C86C261E59884702F1C857F1C837F1C8AD70643E158ECCE7E291857824148F7C158F7C178FDC0A4716A2070BD18385E8C142F460217AB0103D08440F02D18340F420103D08440F02D18340F420143D08450F42D18350F420143D08450FC2D6031E1059F46B156D98B73C7C3CAF68EAB4287EB6E1CC0F1E128284BD3D2B9BF4B0FBE24571B46DD9ADB77C8CD28AF9DE4314B783EC43B16BF306DE6E58E92DA73721DFFFB5E5BB5ED5649387FDE42A2F62B62ADAB95FB94BD6EC7A72D5F2C02B73BEFC52B11D2B937AFFE3BF7F7957FF4AAED7FC49B28ED2BFBCD7BB97E7248F8BE7D7FBEB6B7EFA9FFC093F25DF4B59D47EC8E94D100A2D57928ABF17CE8FBE97DBBE9A6C72AE8F4B8624F4DCA1AA6651BC3FB9D2E449DB81786D8F02B3EC108BBD3D331047934DB7EDB94F2E99F1A560DA7354E6C7DE50EB99A9CC412CBCC441DDB52A7394DD0AF619AE7AD97BA72DF0EF8F3DC0557EBBF8832D1B107C4CF2C7C26422A4D021BC0C2FB1520BCD4D260637625767E2EF96F6E98B1BC2B8E9CDACBF71AAEB6B7761A66CB353B1D16A2ED0593AA52C6990E83AE65E428C5D3D25555D6CCA285BFDBB89F23A49D915EF8F6EFD89C2447F926A8CD45EB47868D63F592DC6E1F5E49F93E9E41FAA73F53C0F2FAD7B9226E7F94735F0590E04523CCFE4C78FC954DAB2C293EB1F93004DD1BD7A79C0E5A28122E8CF458FEA62C78081A33AC56031A3BD60030D974EA8284AEC1525FACB49C324037F3242749704068C12DD69068B14E3E50D50B4DC9E752C9A527B458CF922CCA7EF56CCCB08070C1DF3C9060B20E0F2C85E9D8EB1EC5EC1045DD0394448CDFF6847A4599A37603069CE32581499161982C267F6FDAC1B52973AC81CF68F440C701E6B7BB5123065355EEEBCA0DF9617D9CBAF079616CF1F7E05825D599283ED92AD67574C4975F3FAB775D0F6D6480B1A2280BE7F0D3A7D4EBB54E9EA7AF2659245BFC0EEA8173C493D3A9DF3B77C51BA62AA07AFD49437CCC45D8822A54F3CBE0E13E2C3C96133787195F0DD62CA67F293288F27D6EF9D148F8F15AB27BC08150AD09380B3E5CA3DAAC054E8D0F8D3265ED58B9400B053BBC2A90F5BD79577E9A4B92E9B8BD1948DB3E2C26708843A5B28DDC3BEB312FE6F860D34B0580F29030C26BF15F1779936EB0C3D36B6C957584AED9BCDBABD9D7271668FE0539635B0A3ED11FED9DEAE481AD666E956DFB5567CE20764E999C5AD06D39BB9FF891F10B5D01BCAA63781FF891F10A9C8EF9D952806DF31C29B46E88F7F03F10472DFD827E8A9740FD0025AFDC59493D4F9E9F297DBFB047B90AA555FFCF8E8BB8EAB93A86C21AEE92F027CB487C33A35325B887310EE7DF2EFB01A70FC9B3EA993DC90E010A664B6564D91C29D2CA6FF54D246DC277ED80C48FAFB510F6B62C7BFE99963AAFE3F43DEA4A93FFE0DA8D9836EDDE4164FA7EDF4D5FD127F81C885E2BF42B4251CCB21B1B5CB6910F6C7E6DBC38FD7C7C86CE1376762629B4A918809A7523356CEA9148C9C762A7593679E4A6730924FF55DF68E7F8E710F5EC18E821A29A839CB712C54C74295FE39226A936A392EDAAF71A2A3A3E05C75EC7372E3A0459394DA64A6D478A9BA3B70D474406AAA66228E9D4AD929200742DB5B3B8E7AB685FD27384C0C552A10313F95EAC5CA4EA562917353A966F2CC54EA0A465E2AFFD79D8E958E710F56B98E931A39A93E8B718C54C748A5DE393E0A4DA51C1BB56F90E8B828280F1DFB2C5B3B38D1E4A1D0AC931A0B95377FC74107E4A072AEE118A87D8683B25F76E4F36C0BFDB2084CEC53211131FD5428C6CA3F1572911350856AF20C54E10B460AAAFAA61FC741C7B807AD5E47428D24D494D53816AA63A10AF71C0D85A7568E87F66996E8882830331DFBDCDB3050D1A4A2F03C941A175575038E8CFEF66BCEA7BC9207987138127A23C3C6C60C07698FEC78E8D916FA1DB33879684722091E3AD725EDF878E85C9775A2E5A11DD58E87CA7DC1CD43BB5F10EE78E818F7A0D5EB78A8050F9567358E87C278E85C3E5B703CD4945A391EDAA75922E6A1DACC14CFEC5B3A5051E7A1A63C942E0FED76038E870EC043BB8CC3F150030F556438487B64C743CFB61AE316F879684722091EBAD025EDF878E8429775A2E5A11DD58E87CA7DC1CD433B521D0F1DE51EB47A1D0FB5E0A1F2ACC6F150180F5DC8670B8E879A522BC743FB344BC43C549B99E2997D4B072AEA3CD49487D2E5A1DD6EC0F1D00178689771381E6AE0A18A0C07698FEC78E8D956635C809F87762492E0A1812E69C7C743035DD689968776543B1E2AF705370FED48753C74947BD0EA753CD48287CAB31AC743613C3490CF161C0F35A5568E87F669968879A83633C533FB960E54D479A8290FA5CB43BBDD80E3A103F0D02EE3703CD4C04315190ED21ED9F1D0B3ADC6B8103F0FED4824C143435DD28E8F8786BAAC132D0FEDA8763C54EE0B6E1EDA91EA78E828F7A0D5EB78A8050F9567358E87C27868289F2D381E6A4AAD1C0FEDD32C11F3506D668A67F62D1DA8A8F350531E4A978776BB01C74307E0A15DC6E178A881872A321CA43DB2E3A167DBFBD77BDFAB6AB6F596B3D64BAF2EF8A8556CF6DEF2C563F1E6E0C99DC73311F61CEDB951C731ED0BCB3749CEBC7BFFEEEC155FF8222BD9D1538879F7BCD2BCA66AA2949FE2FEF57F20D667D4');
INSERT INTO "snapshots" VALUES('22a59ec85998076b45d34b26dfd8377dc5c43d3154ba83aa31fe9d950e19af48','decision',1000.0,1,X'789C8D56716FEA3610FF2A55FEA6884049299A26F1287B43628507B453354D96E318B0EAD899EDC0E355FDEEBBB39306DABE6E95DADA97F3DDF9EE77BFF373441595472B6C348CBABD5E9250F89BB294F5926EDABD626992DCF09BEB41EF3A4D6EAE78DAEF77B2EBC1A617739EA6F42AE9278398B2EE75C693246A45D445C3F8BA033F31FCB63B20299D563A3F46C3E7A8100AFCFCF5772BB28EAA4CA86DB33570D22B472FAD88ED60CF0D48EA15C88E4C72223210E6B4E04F975E30AC142E6350E1C66843D232DB72B0A64A2941F6BDE04670C538466038D326F35EC1CDB6A47EF31C09C544C695ABE279523AAD9605B5AE0E529BBC9296CA72E724CF2A4B52EBE22CDA5C67DE2126C4E7E19D86A239C72B33079BC2F0BDD0A5ADA3B607E1D80ECD6FA8B41C1D3A21EBAF879D8693112E8EB880002C47E50E2E9C0B897D0EB5FD11E2905B6D84DBE5FE03A3A5A5D2AFB4315C5227B4226E67B8DD698986DA03489DA2A9BFA2332547CBCA0A27F6C21D51E1BA0F6E3786FF5342728FC19DCEC1E1A99DFFB60297102AD38768D843C0E0550A082744F7E66C2E14613A2FB40AA5EABD333780F38E8386F9D0C05BED3E6837C1F69A58120C056CD5DD41ACE350BEB88FA564548AD4F89C05EC4041192FA0D297DD76178C70B1DD792861E5E376BF05FF1125703150556427104B4722452EB0613A58379A17806F2B7EC01FEACADA7E8C29013C1EE01A5B1E4AA636085676AA480A0D7160121B379253A3000BE42C0B2F084E2520005FB38C1690104E0CDF6022AA32B49A0FE1E68917E6DC19C1AA1E80C24363E1E6B906F30E2E4EF6909E2C0405C0F2E008CA88D503B7EEA08DCC48D5091FA8130B5DAA327BF1EB45DCEE4458B63DB8C29A450CFE0B280060FEDCEB860A591AB807D8F8D4DFA92278E8B4E3FFE142EA03C25A97DB5D51BA4FED376A44179600FBE07D2E7EB98032FFCC116413C321A7F003556680E888C7D71EF11CE0E744CE3558AFB2140DFBBE6D0A4955E874089667048805728AE58956E3D16C42EE17E03E2C6FE77FDEC1663959AD47CB35594D960FD3F10424A3C562F64816F3D974FC08DB2F8F8BD16A451E46B3E9ED683D9DE3A1F5EFCBF97A0D4696936FF7606085C7C6EBE9C3683D21933F26CBAF93BBF123993F4C96CBE9EDC4BBF9329A8DEEC613329B8F6E4170BFB845E5F1FCEEB7E9D7FB65B00C39A04561F43E746EC6692685E2CD3507C95580E6C6E89C18619FAADA23FFA55CF18D7004068927FF4EFB069A9B69686C7DF07979F21D5AA15B69C2371BCE6A76365A4283909432307A531111D3D61124721FD067770423C99BE48128FE288181F3DEA40484DDF7E50069EFAC6268B3DF6ACA198EBD2F08CAFB3F49B3B7F1F276563E474016D65551D7E0C6C4C2FC943039D4F67514014F702029E859DE8CCB03329014AC2684539A46957ADA65B9B016890D69CA8010B0ED47922925B7180ACC59E01877B98FA3176C0C1FD879B572FAFDD59B6FB0E611D30F5F0D2FE033B5D833F5DCA859B3AA96B64C48F9CAE2152D84A9B2D106385C35D8EB2535F4FCDDDFC9718616B669E0F8EAEAEC43306BB0F761F0C2AEDBCC9A7850E1CD848C420B1FE8F1C447B0846F127FD98C1E712C9C4876BA34DE013E324E2471A7F67912F24D306781AE38A14052554A621CBDC04635E3C7E12D214F8E06FEF1EF203FF8A4AC725981A7E7577B6FAE5FADDFDDA35408290AADEDDF19DD173F83B5F7E4C9BB560CF9096F358C4D48AC5E7871FD0B9598864D');
INSERT INTO "snapshots" VALUES('fbc17d51910479e79e501d840e92b83eb32bf6d51365b97bd834f21141c00fe7','filled-analysis',1001.0,0,X'789C7554EDAEEA20107C951B7E9B93A2D20F5FC51883ED5AC9A1D000F5688CEF7E77E9875AF59F0576767666D61B93816D04FF598A053B68652AB6D9DE58699BD61A3078C7025CC23F9E08B6601504A9F4E32CC3B3DF588315263859A9325877C563AF6A239F9EA6ECBE5B106EA34200609B1BABC180934159C336395FB013481D4ED7BDB115783C4A164C4B1FF6E5499A3A56C8894F4E745E00D64805AED3FD12EF5B2DCD74B062F701CF810FD28519603107CC5F01D3396046800D3407703E8A36F0679BA3D41EB019C80A1CDB04D7E197910D8CB54512D570D06A554AACCE0A542CC8D0F9F1499613FCE40375E82F84602464E7CED0B75526802BA1C55138CFA2918327AD0332449D01B91BBA2EA829D9C297A8EE1FA8FA14CB722C2346472C54A6EE814B6D3D547BD2284B23EE5B2CB224A6C2974EB5BD6CC339254355E3674AE26A85D623D43A4235109C2AA7F71C1FD816E51FFA89F8C8C3199C0A930919B97A96BA4325B3D5C819FD3C19F0FE73725332EEB55B9A8D305493D2F03B42AA1D51DE0A62889F8DBCEC25054FAC221BDB056DEDEF973E9C2F1F4372FE694ACE571422670FF2A0749C8BF35ED93F154E2A5A2486B15A8BD950F0A55BB19EC5B5C89F052FF86333FB03EAFC759B78B29CC1F184BFC4BF2866F1E74942017D4975DC39E9F028C49DB83D25BC10F779C40B72060DF6FD00595C894E0F23CB4AB631BAC3FE1C240D03A813EED48201A51EADC9A37C7069DD082BB2D9EC693406246189E2832F82883C654D99A39DFEC21E9B9726B4793EE05A5F47569D518FA4F1B8D51E61BED996AEDEC3B87E09A318C3887D5AE4BB8C7C83C538D8FA4A9A4255C7A7DBD108C21C7EAED96E873A77BEA3252706D8DCE1DC5BCE933ED51FFEDAF337523C21BF3DFE8190EA58CC7B5AF7FFD921EDE2');
INSERT INTO "snapshots" VALUES('e246501c85315ffd94b3a50f0dab047a998885b4fe91c2f4fe86f926a21fb3ab','filled-decision',1001.0,0,X'789C8D54CB6EDB3010FC958267A3B01E94E4DC82F4815C92A2484E4560D0D2D6214A912A1F490C23FFDE5D52B6ACC40572A396AB9DD9D9E1EE99D042ED9C74EC827978F19FB2BC600B263CBBC8F2EC73CEF11CBCD1A6DFB18B3D1BA4C6CC5F7B265A2F8DC69FEE7F7CB9BCFBBABEBABDF976FDFDFEE7E5DDF5ED0D1668457080D741FFD1E6596344C113288C5039F6FAB060CE0BDD49BDFD58C18D09BA4352CD32927A5F7F6B0CDDD7CD823D0ADB3B3AAFDEC02E582F7CFB08F112ABF4D2B9F451A50FA47314A2C931DF04DF9A3EE5D4C859EA16880549333661FDB12BE485D81E2C460E278CED5A056BD94D125365B0D6D8F526745B20B1EB32F6052F0358091165CF2CB4C6761F144850FB79FD1F795AA3093CD54AB9459A2FF637180DDA4FFC9A49CF22E9ADA9F68A3A1EE37935C5CB05F3C60B45671E854125B64144EA7B869AC90EEB27EC49A104561058AB8C836E1D6D5716B1F2E1AF53E18A1A73B1A3CD1459D190B48B1A9689AB19401F8BA51E6D38F8EC9C326FFB2F2B9A4F34E71423E841097DCAA7E42CD526A432FA01408FC8F96811E23B621BA33A045D07ED25A95514E304C6F8F3E36EEAAC7CD72BD9E62FCA2AF0770DF36C3EBB438ADE064072A0401CA52DAA91D3209C3F7115D13BEF2BCC15C3A02455FC2D94C3921BD80A1A3B6F66564B3C78795651CE93A25426E3AB64F5B9C0D5924C8793B322193DABB23702705A4DCA98618AE467A6C2334683D0442BE3159933E0A3EFA8C931A3A6C670A120CBA4547ACB26EE8DE812D5AF0F8FBDE291EF0CB822E063421AE3E93CAA32EEB840CEF42A62EFE7CD94CD3943AD4ECAF2E5E12D8DD0D34AE94D1717449C6AB53AC38F2CAC454F93C1BE860129209C852769829B05DDB3F4499E64998339EBE5D89599AAD22398B5D9D0D243D3C7D59BD3D1FBB4D3697BA1715A117767466952D1623B99435DB087D77F4E5FFFDF');
INSERT INTO "snapshots" VALUES('dd54b1a54e2da1272b073536116b83d744d5383e56c0bc2f81b7ca86bdd7306a','limits:charter',1001.0,0,X'789C658EDD0E82300C855FC5F49A184151C6AB102EC668A411D8B2D5A821BEBB1DCE98E85D7BF29D9F0534439D57FB6D516680FD1903D44D038C77DEE495822C9D6A076D9BC148137144163038B3C7683EAD666327676711A1FED84BB14FC89ECC573B8A169C47DD476B25D667CCB5D6096306ED19BD20F6CAA25D52D55FB4CA218D9114F55EFFD3A40A419CB79DEE68247E44B05CC11BF14073FC0FA93E30BA3867FD5FF0EF5307');
CREATE TABLE storms (
	loop VARCHAR NOT NULL, 
	charter VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (loop)
);
INSERT INTO "storms" VALUES('charter','charter','{"loop":"charter","since":1300.0,"why":"text 336","calm_since":337.25}');
CREATE INDEX outcomes_by_loop ON outcomes (loop, remembered, at);
CREATE INDEX snapshots_by_age ON snapshots (pinned, at);
CREATE INDEX plans_by_charter ON plans (charter, at);
CREATE INDEX plans_by_loop ON plans (loop, at);
CREATE INDEX decisions_by_loop ON decisions (loop, at);
CREATE INDEX audit_by_plan ON audit (plan_id, kind);
CREATE INDEX audit_by_loop ON audit (loop, id);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE UNIQUE INDEX one_open_incident ON incidents (charter, knob) WHERE closed_at IS NULL;
CREATE INDEX rungs_by_plan ON rungs (plan_id);
CREATE INDEX evidence_by_loop ON evidence (loop, id);
CREATE INDEX shadows_by_loop ON shadows (loop, scored, due_at);
CREATE INDEX remediations_by_charter ON remediations (charter, began);
CREATE INDEX notices_by_loop ON notices (loop, closed_at);
CREATE INDEX notices_by_plan ON notices (plan_id);
CREATE INDEX outcomes_to_recheck ON outcomes (loop, recheck_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',9);
COMMIT;
